// Deposits, opens and closes a position on a localnet: `make localnet` in another shell, then `node sdk/ts/examples/quickstart.mjs`.
import { readFile } from 'node:fs/promises';

import { createKeyPairSignerFromBytes } from '@solana/kit';
import * as bulwark from '@bulwark/sdk';

const { BULWARK_RPC_URL: rpcUrl = 'http://127.0.0.1:8899', BULWARK_KEYPAIR } = process.env;
const handle = bulwark.connect({ rpcUrl });
const key = new URL('../../../target/localnet/trader.json', import.meta.url);
const trader = await createKeyPairSignerFromBytes(
  Uint8Array.from(JSON.parse(await readFile(BULWARK_KEYPAIR ?? key, 'utf8'))),
);

// A margin account, with 1,000 USDC in it.
const [known] = await bulwark.loadMarginAccounts(handle, trader.address);
const marginAccount = known?.address ?? (await bulwark.marginAccountAddress(trader.address));
const listings = await bulwark.loadListings(handle);
const amount = bulwark.parseAmount('1000', 6);
await bulwark.send(handle, trader, [
  ...(known ? [] : await bulwark.openMarginAccount({ owner: trader })),
  ...(await bulwark.deposit(listings, { depositor: trader, marginAccount, amount })),
]);

// A long position worth 5,000 USDC in market 0, at most 1 % above the live price.
let context = await bulwark.loadContext(handle, marginAccount);
const market = context.markets.get(0).data.core;
const decimals = { quoteDecimals: 6, lotDecimals: market.params.lotDecimals };
const lots = bulwark.lotsWorth(context, 0, bulwark.parseAmount('5000', 6));
const limitPrice = bulwark.worsePrice(market.oracle.price, 'buy', 10_000);
const order = { authority: trader, market: 0, side: 'long', lots, limitPrice };
const opened = await bulwark.send(handle, trader, await bulwark.openPosition(context, order));
console.log('opened:', opened.signature, opened.events.map((event) => event.name).join(', '));

context = await bulwark.loadContext(handle, marginAccount);
const view = bulwark.marginAccountView(context);
for (const { mark, pnl, liquidationPrice } of view.positions) {
  const price = (of) => (of === null ? 'none' : bulwark.formatPrice(of, decimals, 2));
  console.log(
    `mark ${price(mark)}, pnl ${bulwark.formatAmount(pnl, 6)}, liquidation ${price(liquidationPrice)}`,
  );
}
console.log('health:', view.initial, 'free:', bulwark.formatAmount(view.freeCollateral ?? 0n, 6));

const all = { authority: trader, market: 0, limitPrice: bulwark.anyPrice('sell') };
const closed = await bulwark.send(handle, trader, await bulwark.closePosition(context, all));
console.log('closed:', closed.signature, bulwark.eventsNamed(closed.events, 'traded'));
