// Addresses that the program's id decides alone. The derivations are those of sdk/rust/src/address.rs.
import { address, getAddressEncoder, getProgramDerivedAddress, getU16Encoder } from '@solana/kit';

const UPGRADEABLE_LOADER = address('BPFLoaderUpgradeab1e11111111111111111111111');
const MAX_MARKETS = 32;

/** Names, documentation and addresses of the program's single accounts, and the addresses of its markets by index. */
export async function wellKnownAddresses(program) {
  const derive = async (...seeds) => {
    const [found] = await getProgramDerivedAddress({ programAddress: address(program), seeds });
    return found;
  };
  const [programData] = await getProgramDerivedAddress({
    programAddress: UPGRADEABLE_LOADER,
    seeds: [getAddressEncoder().encode(address(program))],
  });
  const single = [
    ['exchange', 'The exchange.', await derive('exchange')],
    ['pool', 'The pool.', await derive('pool')],
    ['insuranceFund', 'The insurance fund.', await derive('insurance')],
    ['juniorMint', "Mint of the junior tranche's pool shares.", await derive('shares', 'junior')],
    ['seniorMint', "Mint of the senior tranche's pool shares.", await derive('shares', 'senior')],
    ['backstopMint', "Mint of the backstop's shares.", await derive('shares', 'backstop')],
    [
      'programData',
      'Data account of the deployed program: names the upgrade authority.',
      programData,
    ],
  ].map(([name, docs, key]) => ({ name, docs, address: key }));
  const indices = Array.from({ length: MAX_MARKETS }, (_, index) => index);
  const markets = await Promise.all(
    indices.map((i) => derive('market', getU16Encoder().encode(i))),
  );
  return { single, markets };
}
