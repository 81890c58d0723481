//! Accounts are read in place, byte for byte: the description gives each the size that it has in Rust.

use anchor_lang_idl::types::{
    IdlArrayLen, IdlDefinedFields, IdlRepr, IdlSerialization, IdlType, IdlTypeDefTy,
};
use bulwark_sdk::program::state::*;

use crate::support::*;

/// Size and alignment in bytes by the rules of `repr(C)`, without padding: zero-copy types have none.
fn layout(ty: &IdlType) -> (usize, usize) {
    match ty {
        IdlType::Bool | IdlType::U8 | IdlType::I8 => (1, 1),
        IdlType::U16 | IdlType::I16 => (2, 2),
        IdlType::U32 | IdlType::I32 => (4, 4),
        IdlType::U64 | IdlType::I64 => (8, 8),
        IdlType::U128 | IdlType::I128 => (16, 16),
        IdlType::Pubkey => (32, 1),
        IdlType::Array(element, IdlArrayLen::Value(count)) => {
            let (size, align) = layout(element);
            (size * count, align)
        }
        IdlType::Defined { name, .. } => layout_of(name),
        other => panic!("not a type of fixed size: {other:?}"),
    }
}

fn layout_of(name: &str) -> (usize, usize) {
    let defined = type_of(name);
    let fields: Vec<&IdlType> = match &defined.ty {
        IdlTypeDefTy::Struct { fields: Some(IdlDefinedFields::Named(fields)) } => {
            fields.iter().map(|field| &field.ty).collect()
        }
        IdlTypeDefTy::Struct { fields: Some(IdlDefinedFields::Tuple(types)) } => types.iter().collect(),
        other => panic!("{name} is not a struct: {other:?}"),
    };
    let (mut end, mut most) = (0, 1);
    for (size, align) in fields.into_iter().map(layout) {
        assert_eq!(end % align, 0, "{name}: padding at {end}");
        (end, most) = (end + size, most.max(align));
    }
    assert_eq!(end % most, 0, "{name}: padding at the end");
    (end, most)
}

#[test]
fn every_account_is_described_in_place_and_has_its_size() {
    let sizes = [
        ("Change", size_of::<Change>()),
        ("Exchange", size_of::<Exchange>()),
        ("InsuranceFund", size_of::<InsuranceFund>()),
        ("MarginAccount", size_of::<MarginAccount>()),
        ("Market", size_of::<Market>()),
        ("Pool", size_of::<Pool>()),
        ("RedeemTicket", size_of::<RedeemTicket>()),
        ("UnstakeTicket", size_of::<UnstakeTicket>()),
        ("Vault", size_of::<Vault>()),
    ];
    let described: Vec<_> = IDL.accounts.iter().map(|a| (a.name.as_str(), layout_of(&a.name).0)).collect();
    assert_eq!(described, sizes);
    for (name, _) in sizes {
        let account = type_of(name);
        assert_eq!(account.serialization, IdlSerialization::Bytemuck, "{name}");
        assert!(matches!(&account.repr, Some(IdlRepr::C(_))), "{name}: {:?}", account.repr);
    }
}
