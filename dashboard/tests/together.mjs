// A server and a browser that the tests of a file share.

import { after, before } from 'node:test';
import { startBrowser, startServer } from './harness.mjs';

/** Gives the tests of a file a demo server and a browser, from before the first of them to after the last. */
export function together(begun) {
  let server, browser;
  before(async () => {
    server = await startServer();
    browser = await startBrowser();
    begun(server, browser);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });
}
