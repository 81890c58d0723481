// What the tree of the interface description lacks or has differently from what a client wants.
import { rootNodeFromAnchor } from '@codama/nodes-from-anchor';
import {
  arrayValueNode,
  bottomUpTransformerVisitor,
  bytesTypeNode,
  bytesValueNode,
  constantPdaSeedNodeFromString,
  createFromRoot,
  definedTypeNode,
  fixedSizeTypeNode,
  instructionAccountNode,
  numberTypeNode,
  numberValueNode,
  pdaNode,
  publicKeyTypeNode,
  publicKeyValueNode,
  structFieldTypeNode,
  variablePdaSeedNode,
} from 'codama';

/** The tree to render: events as types, addresses that can be derived, plain numbers, and padding that nobody has to write. */
export function prepare(idl, addresses) {
  const root = rootNodeFromAnchor(readable(idl));
  const codama = createFromRoot({
    ...root,
    program: { ...root.program, ...replacements(root.program, idl) },
  });
  codama.update(bottomUpTransformerVisitor(transformers(addresses)));
  return codama.getRoot();
}

/**
 * The description without what can't be read from it: some addresses are derived from fields of accounts, and those of two
 * kinds of tickets share a name. All derivations are given below. An argument that is named like an account is renamed.
 */
function readable(idl) {
  const instructions = idl.instructions.map((instruction) => {
    const accounts = instruction.accounts.map(({ pda: _pda, ...account }) => account);
    const taken = new Set(accounts.map((account) => account.name));
    const args = instruction.args.map((arg) =>
      taken.has(arg.name) ? { ...arg, name: 'amount' } : arg,
    );
    return { ...instruction, accounts, args };
  });
  return { ...idl, instructions };
}

function replacements(program, idl) {
  const docs = new Map(idl.types.map((type) => [type.name.toLowerCase(), type.docs]));
  const events = program.events.map((event) =>
    definedTypeNode({
      name: event.name,
      docs: docs.get(event.name.toLowerCase()),
      type: event.data.type,
    }),
  );
  return {
    // The renderer knows no events, and what it renders of errors leaves their messages out of production builds.
    definedTypes: [...program.definedTypes, ...events],
    events: [],
    errors: [],
    pdas: pdas(),
  };
}

const key = (name, docs) => variablePdaSeedNode(name, publicKeyTypeNode(), docs);
const number = (name, format, docs) => variablePdaSeedNode(name, numberTypeNode(format), docs);
const text = (seed) => constantPdaSeedNodeFromString('utf8', seed);
const pda = (name, docs, seeds) => pdaNode({ name, docs, seeds });

/** Seeds as in sdk/rust/src/address.rs. */
function pdas() {
  return [
    pda('vault', 'Vault of a mint.', [text('vault'), key('mint', 'Mint of the token.')]),
    pda('vaultTokens', "Token account of a mint's vault.", [
      text('tokens'),
      key('mint', 'Mint of the token.'),
    ]),
    pda('market', 'Market with this index.', [
      text('market'),
      number('index', 'u16', 'Index of the market.'),
    ]),
    pda('marginAccount', 'Margin account of an owner.', [
      text('margin'),
      key('owner', 'Owner.'),
      number('subId', 'u16', "Which of the owner's accounts."),
    ]),
    pda('change', 'Governance change with this number.', [
      text('change'),
      number('nonce', 'u64', 'Its number.'),
    ]),
    pda('redeemTicket', 'Redeem ticket of a provider.', [
      text('redeem'),
      key('owner', 'Provider.'),
      number('nonce', 'u64', "Which of the provider's tickets."),
    ]),
    pda('unstakeTicket', 'Unstake ticket of a staker.', [
      text('unstake'),
      key('owner', 'Staker.'),
      number('nonce', 'u64', "Which of the staker's tickets."),
    ]),
  ];
}

function transformers(addresses) {
  const known = new Map(addresses.single.map(({ name, address }) => [name, address]));
  return [
    // `Quote(i64)` and its like: a number, not a tuple of one.
    {
      select: '[tupleTypeNode]',
      transform: (node) => (node.items.length === 1 ? node.items[0] : node),
    },
    { select: '[arrayTypeNode]', transform: bytes },
    { select: '[structFieldTypeNode]', transform: unwritten },
    { select: '[instructionAccountNode]', transform: (node) => defaulted(node, known) },
  ];
}

function bytes(node) {
  const isBytes = node.item.kind === 'numberTypeNode' && node.item.format === 'u8';
  return isBytes && node.count.kind === 'fixedCountNode'
    ? fixedSizeTypeNode(bytesTypeNode(), node.count.value)
    : node;
}

/** Padding and reserved bytes are zero when written. */
function unwritten(node) {
  if (!/^(padding\d*|reserved)$/.test(node.name)) return node;
  return structFieldTypeNode({
    ...node,
    defaultValue: zero(node.type),
    defaultValueStrategy: 'omitted',
  });
}

function zero(type) {
  if (type.kind === 'numberTypeNode') return numberValueNode(0);
  if (type.kind === 'fixedSizeTypeNode') return bytesValueNode('base16', '00'.repeat(type.size));
  if (type.kind === 'arrayTypeNode')
    return arrayValueNode(Array.from({ length: type.count.value }, () => zero(type.item)));
  throw new Error(`no zero for ${type.kind}`);
}

/** Single accounts are known by the program's id. */
function defaulted(node, known) {
  const { defaultValue, ...rest } = node;
  const address = known.get(node.name);
  if (address && !node.isOptional) {
    return instructionAccountNode({
      ...rest,
      defaultValue: publicKeyValueNode(address, node.name),
    });
  }
  // A recorded payer is nobody's to choose.
  return defaultValue?.kind === 'payerValueNode' && !node.isSigner ? rest : node;
}
