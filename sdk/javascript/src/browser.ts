// The package in a browser: everything, with the browser's own WebSocket and no other package.

export * from './client.js';
export * from './errors.js';
export * from './explanation.js';
export * from './models.js';
export * from './options.js';
export { MetricsSender } from './sender.js';
export type { MetricsSenderOptions } from './sender.js';
export { Subscription } from './stream.js';
export type { Gap, SocketFactory, SocketLike, SubscribeOptions } from './stream.js';
export type { RequestOptions, RetryPolicy } from './http.js';
export type { components, operations, paths } from './generated/openapi.js';
