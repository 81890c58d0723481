import {
  createSolanaRpc,
  createSolanaRpcSubscriptions,
  type Commitment,
  type Rpc,
  type RpcSubscriptions,
  type SolanaRpcApi,
  type SolanaRpcSubscriptionsApi,
} from '@solana/kit';

/** Where the cluster is, and how sure of an answer one wants to be. Plain data: pass it to every function. */
export interface Bulwark {
  /** JSON-RPC. */
  readonly rpc: Rpc<SolanaRpcApi>;
  /** Subscriptions over websocket; nothing connects before the first one. */
  readonly rpcSubscriptions: RpcSubscriptions<SolanaRpcSubscriptionsApi>;
  /** Commitment of what is read, simulated and waited for. */
  readonly commitment: Commitment;
}

/** What {@link connect} needs to know. */
export interface ConnectOptions {
  /** Address of the JSON-RPC endpoint, `http:` or `https:`. */
  readonly rpcUrl: string;
  /** Address of the websocket. By default that of `rpcUrl`, one port higher if it names a port. */
  readonly wsUrl?: string;
  /** By default `confirmed`. */
  readonly commitment?: Commitment;
}

/**
 * Websocket address that belongs to a JSON-RPC address by convention: the same host, and the next port if one is named.
 *
 * @throws TypeError if `rpcUrl` is no address.
 */
export function websocketUrl(rpcUrl: string): string {
  const url = new URL(rpcUrl);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  if (url.port !== '') url.port = String(Number(url.port) + 1);
  return url.toString();
}

/**
 * A handle to a cluster. It opens no connection: the first call does.
 *
 * @throws TypeError if an address is none.
 */
export function connect(options: ConnectOptions): Bulwark {
  return {
    rpc: createSolanaRpc(options.rpcUrl),
    rpcSubscriptions: createSolanaRpcSubscriptions(options.wsUrl ?? websocketUrl(options.rpcUrl)),
    commitment: options.commitment ?? 'confirmed',
  };
}
