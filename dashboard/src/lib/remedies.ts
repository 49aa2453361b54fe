// What can be done about a roll-out that failed. The history and the pods are asked, so that only what can succeed is
// offered.

import type { DeploymentList, ECPClient } from '@ecp-ai/orchestrator-client';

export interface Remedies {
  /** Something that ran whole and is not what runs now can be gone back to. */
  wayBack: boolean;
  /** A container wrote something before it was started again. */
  crashed: boolean;
}

/** As many as the API keeps of a page. */
const MOST = 1000;

/** Whether there is something to go back to, by what was done, newest first. */
export function hasWayBack([newest, ...earlier]: DeploymentList['deployments']): boolean {
  if (newest === undefined) return false;
  // What is not known to have changed nothing is taken to have changed something.
  let differs = newest.ran_whole_at == null || newest.changes?.length !== 0;
  return earlier.some((entry) => {
    if (entry.ran_whole_at != null && differs) return true;
    differs ||= entry.changes?.length !== 0;
    return false;
  });
}

async function ask(client: ECPClient, tenantId: string, signal: AbortSignal): Promise<Remedies> {
  signal.throwIfAborted();
  const { deployments } = await client.listDeployments(tenantId, { limit: MOST }, { signal });
  // That there was no container before is an answer here, and no warning.
  const options = { signal, onWarning: () => undefined };
  const lines = await client.readLogs(tenantId, { previous: true, tail: 1 }, options);
  return { wayBack: hasWayBack(deployments), crashed: lines.trim() !== '' };
}

let last: Promise<unknown> = Promise.resolve();

/** Asked one after the other, so that a list of failed tenants keeps nothing waiting that is live. */
export function remediesOf(client: ECPClient, tenantId: string, signal: AbortSignal): Promise<Remedies> {
  const mine = last.then(() => ask(client, tenantId, signal));
  last = mine.catch(() => undefined);
  return mine;
}
