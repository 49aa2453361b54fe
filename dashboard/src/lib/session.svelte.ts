// Who is asking, of which mode: the client of the SDK, the token and what its role may do.

import { AuthError, ECPClient, ECPError, isToken } from '@ecp-ai/orchestrator-client';
import { locale } from './i18n.svelte';
import type { Mode } from './router.svelte';

export type Role = 'viewer' | 'operator' | 'admin';

const STORED = 'ecp.token';

/** What an older page kept may be none. */
const kept = sessionStorage.getItem(STORED) ?? '';
let token = $state<string | undefined>(isToken(kept) ? kept : undefined);
let tokenWanted = $state(false);
let tokenRefused = $state(false);
let role = $state<Role | undefined>();

export const session = {
  get token() {
    return token;
  },
  /** The server wants a token that we do not have. */
  get tokenWanted() {
    return tokenWanted;
  },
  get tokenRefused() {
    return tokenRefused;
  },
  get role() {
    return role;
  },
  get mayWrite() {
    return role === 'operator' || role === 'admin';
  },
  get mayAudit() {
    return role === 'admin';
  },
  /** False where the text can be no token. */
  signIn(text: string): boolean {
    if (!isToken(text)) return false;
    sessionStorage.setItem(STORED, text);
    token = text;
    role = undefined;
    tokenWanted = tokenRefused = false;
    return true;
  },
  signOut() {
    sessionStorage.removeItem(STORED);
    token = role = undefined;
    tokenRefused = false;
    tokenWanted = true;
  },
};

/** The page's own folder, with the API beside it. */
const base = new URL('.', location.origin + location.pathname);

/** A client for a mode, in the language of the page, with the token of the session. */
export function clientOf(mode: Mode): ECPClient {
  return new ECPClient({
    baseUrl: new URL('api/v1', base).href,
    isDemo: mode === 'demo',
    language: locale.language,
    timeoutMs: 15_000,
    retry: { retries: 1 },
    ...(token === undefined ? {} : { token }),
  });
}

/** Looks at a failure for what it says about the token; true where it does. */
export function noteFailure(error: unknown): boolean {
  if (!(error instanceof AuthError) || error.status !== 401) return false;
  tokenRefused = token !== undefined;
  tokenWanted = true;
  return true;
}

const ROLE_RETRY_MS = 2_000;
/** Refusals that say that there is nothing such, rather than that one may not. */
const NOT_FOR_RIGHTS = [404, 409, 422];

/** Asks, without writing anything, what the token may do. */
async function roleOf(client: ECPClient, signal: AbortSignal): Promise<Role> {
  const allowed = async (ask: () => Promise<unknown>): Promise<boolean> => {
    try {
      await ask();
      return true;
    } catch (error) {
      if (error instanceof AuthError && error.status === 403) return false;
      if (error instanceof ECPError && NOT_FOR_RIGHTS.includes(error.status)) return true;
      throw error;
    }
  };
  // A scope may hide the audit trail's entries, never the right to read them.
  if (await allowed(() => client.listAuditEntries({ limit: 1 }, { signal }))) return 'admin';
  return (await allowed(() => client.previewDeleteTenant('no-such-tenant', { signal })))
    ? 'operator'
    : 'viewer';
}

/** Finds out what the token may do, however often it has to ask, until what is returned is called. */
export function followRole(client: ECPClient): () => void {
  const abort = new AbortController();
  let retry: ReturnType<typeof setTimeout> | undefined;
  const ask = async () => {
    try {
      const found = await roleOf(client, abort.signal);
      if (!abort.signal.aborted) role = found;
    } catch (error) {
      if (abort.signal.aborted || noteFailure(error)) return;
      retry = setTimeout(() => void ask(), ROLE_RETRY_MS);
    }
  };
  void ask();
  return () => {
    abort.abort();
    clearTimeout(retry);
  };
}

/** What went wrong, for people. */
export function textOf(error: unknown): string {
  if (error instanceof ECPError) {
    const fields = error.fields.map((field) => `${field.pointer}: ${field.reason}`);
    return [error.message, ...fields].join('\n');
  }
  return error instanceof Error ? error.message : String(error);
}
