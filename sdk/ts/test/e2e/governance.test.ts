import { expect, test } from 'vitest';

import * as sdk from '../../src';
import { handle, travel, wallet } from './chain';

const find = async (nonce: bigint) => {
  const found = (await sdk.loadChanges(handle)).find((change) => change.data.nonce === nonce);
  if (found === undefined) throw new Error(`there is no change ${nonce}`);
  return found;
};

test('a change is explained, waits, and is in force', async () => {
  const admin = await wallet('admin');
  let context = await sdk.loadContext(handle);
  const { params } = context.markets.get(1)?.data.core ?? {};
  if (params === undefined) throw new Error('there is a market 1');
  const takerFeePpm = params.takerFeePpm + 50;
  const payload = {
    __kind: 'MarketParams',
    market: 1,
    params: { ...params, takerFeePpm },
  } as const;
  const explained = sdk.explainPayload(context, payload);
  expect(explained).toMatchObject({
    title: 'parameters of market 1',
    moves: [{ name: 'taker_fee_ppm', from: String(params.takerFeePpm), to: String(takerFeePpm) }],
    refusals: [],
  });

  const nonce = context.exchange.data.nextChange;
  const [proposing] = await sdk.proposeChange(context.listings, { admin, nonce, payload });
  if (proposing === undefined) throw new Error('proposing is an instruction');
  expect(sdk.proposal(proposing)).toMatchObject({
    nonce,
    payload: { market: 1, params: { takerFeePpm } },
  });
  const proposed = await sdk.send(handle, admin, [proposing]);
  expect(sdk.eventsNamed(proposed.events, 'changeProposed')).toMatchObject([{ nonce }]);

  context = await sdk.loadContext(handle);
  const waiting = await sdk.explainChange(context, await find(nonce));
  expect(waiting).toMatchObject({ nonce, status: 'waits', moves: explained.moves });
  const keeper = await wallet('keeper');
  const execute = async () => sdk.executeChange(context.listings, { change: await find(nonce) });
  await expect(sdk.send(handle, keeper, await execute())).rejects.toThrow(sdk.BulwarkError);

  await travel((waiting.seconds ?? 0n) + 1n);
  context = await sdk.loadContext(handle);
  expect(await sdk.explainChange(context, await find(nonce))).toMatchObject({ status: 'ripe' });
  await sdk.send(handle, keeper, await execute());
  context = await sdk.loadContext(handle);
  expect(context.markets.get(1)?.data.core.params.takerFeePpm).toBe(takerFeePpm);
  await expect(find(nonce)).rejects.toThrow();
});

test('the guardian pauses, and cancels what the admin proposed', async () => {
  const [admin, guardian] = [await wallet('admin'), await wallet('guardian')];
  const paused = await sdk.send(
    handle,
    guardian,
    await sdk.setPause({ authority: guardian, bits: sdk.PAUSE.increase, market: 1 }),
  );
  expect(sdk.eventsNamed(paused.events, 'pauseSet')).toHaveLength(1);
  const { exchange, listings } = await sdk.loadContext(handle);
  const nonce = exchange.data.nextChange;
  const payload = { __kind: 'Unpause', market: 1, bits: sdk.PAUSE.increase } as const;
  await sdk.send(handle, admin, await sdk.proposeChange(listings, { admin, nonce, payload }));
  const change = await find(nonce);
  await sdk.send(handle, guardian, await sdk.cancelChange({ authority: guardian, change }));
  await expect(find(nonce)).rejects.toThrow();
  const outsider = await wallet('trader');
  const outside = await sdk.setPause({ authority: outsider, bits: sdk.PAUSE.increase });
  await expect(sdk.send(handle, outsider, outside)).rejects.toMatchObject({
    errorName: 'Unauthorized',
  });
});
