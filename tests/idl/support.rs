//! The description, read.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anchor_lang_idl::types::{
    Idl, IdlInstruction, IdlInstructionAccount, IdlInstructionAccountItem, IdlTypeDef,
};

/// A file or folder of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Text of a file of the repository.
pub fn source(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The program's source files by module name, `instructions/deposit` say.
pub fn program_sources() -> Vec<(String, String)> {
    let root = repository("programs/bulwark/src");
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).expect("below").with_extension("").display().to_string();
                files.push((name, source(&path)));
            }
        }
    }
    files
}

/// The committed description.
pub static IDL: LazyLock<Idl> = LazyLock::new(|| {
    serde_json::from_str(&source(&repository("idl/bulwark.json"))).expect("idl/bulwark.json is a description")
});

/// An instruction.
pub fn instruction(name: &str) -> &'static IdlInstruction {
    IDL.instructions.iter().find(|i| i.name == name).unwrap_or_else(|| panic!("no instruction {name}"))
}

/// A type.
pub fn type_of(name: &str) -> &'static IdlTypeDef {
    IDL.types.iter().find(|t| t.name == name).unwrap_or_else(|| panic!("no type {name}"))
}

/// Accounts of an instruction, in order.
pub fn accounts(instruction: &IdlInstruction) -> impl Iterator<Item = &IdlInstructionAccount> {
    instruction.accounts.iter().map(|item| match item {
        IdlInstructionAccountItem::Single(account) => account,
        IdlInstructionAccountItem::Composite(group) => {
            panic!("{}: a group of accounts: {}", instruction.name, group.name)
        }
    })
}

/// Place of an account of an instruction.
pub fn place(instruction: &IdlInstruction, account: &str) -> usize {
    let found = accounts(instruction).position(|a| a.name == account);
    found.unwrap_or_else(|| panic!("{} has no account {account}", instruction.name))
}
