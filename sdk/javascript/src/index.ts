// The package in Node: everything, with the `ws` package for WebSockets, since Node 20 has none of its own.

import { WebSocket } from 'ws';
import { setDefaultSocketFactory } from './stream.js';
import type { SocketLike } from './stream.js';

setDefaultSocketFactory((url, protocols) => new WebSocket(url, protocols) as unknown as SocketLike);

export * from './browser.js';
