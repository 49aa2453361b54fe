// What can go wrong, as types: one base class with the code, subclasses for what callers handle apart.

import type { components } from './generated/openapi.js';

/** The codes that the server sends. */
export type ServerErrorCode = components['schemas']['ErrorBodyOut']['code'];
/** The server's codes and what the client itself finds: no connection, no answer in time, an answer that makes no sense. */
export type ErrorCode = ServerErrorCode | 'CONNECTION_ERROR' | 'TIMEOUT' | 'INVALID_RESPONSE';

/** A wrong field of a request: where (JSON pointer) and why. */
export interface FieldFault {
  pointer: string;
  reason: string;
}

export interface ErrorInit {
  code: ErrorCode;
  status?: number | undefined;
  details?: Record<string, unknown> | undefined;
  requestId?: string | undefined;
  retryAfterMs?: number | undefined;
  cause?: unknown;
}

/** Every failure of a call. `code` tells what failed in every language; `message` is for people. */
export class ECPError extends Error {
  readonly code: ErrorCode;
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  readonly details: Record<string, unknown>;
  /** Id to look for in the server's log. */
  readonly requestId: string | undefined;
  /** Every wrong field of the request, empty where fields were not the fault. */
  readonly fields: FieldFault[];
  /** How long the server asks to wait, in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, init: ErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = new.target.name;
    this.code = init.code;
    this.status = init.status ?? 0;
    this.details = init.details ?? {};
    this.requestId = init.requestId;
    this.fields = Array.isArray(this.details.fields) ? (this.details.fields as FieldFault[]) : [];
    this.retryAfterMs = init.retryAfterMs;
  }
}

/** 404: no such tenant, deployment or path. */
export class NotFoundError extends ECPError {}
/** 409 and 412: it exists already, is in the way of another change, or changed meanwhile. */
export class ConflictError extends ECPError {}
/** 400, 413 and 422: the request is wrong; `fields` says where. */
export class ValidationError extends ECPError {}
/** 401 and 403. */
export class AuthError extends ECPError {}
/** 429, after the retries. */
export class RateLimitError extends ECPError {}
/** 5xx, after the retries. */
export class ServerError extends ECPError {}
/** No answer: refused, reset, cut off in the middle. */
export class ConnectionError extends ECPError {}
/** No answer in time. */
export class ECPTimeoutError extends ECPError {}
/** An answer that is not what the API promises. */
export class InvalidResponseError extends ECPError {}

/** The roll-out that was waited for failed; `reason` says why and how to fix it. */
export class DeploymentFailedError extends ECPError {
  readonly tenantId: string;
  readonly deploymentId: string;
  readonly reason: string;
  readonly deployment: components['schemas']['DeploymentStatusOut'];

  constructor(deployment: components['schemas']['DeploymentStatusOut']) {
    const failure = deployment.failure;
    const last = deployment.logs.at(-1)?.message;
    // The last line of one that was taken back says to what.
    const taken =
      deployment.status === 'rolled_back' && failure && last ? `${failure.message}; ${last}` : null;
    const reason = taken ?? failure?.message ?? last ?? `the deployment is ${deployment.status}`;
    super(`${deployment.tenant_id}: ${reason}`, {
      code: (failure?.code as ErrorCode | undefined) ?? 'DEPLOYMENT_FAILED',
      details: { deployment_id: deployment.deployment_id, status: deployment.status },
    });
    this.tenantId = deployment.tenant_id;
    this.deploymentId = deployment.deployment_id;
    this.reason = reason;
    this.deployment = deployment;
  }
}

type ErrorClass = new (message: string, init: ErrorInit) => ECPError;

/**
 * Makes the error of an HTTP answer, in the API's envelope or not: another object, such as what `/readyz` says of a
 * server that is not ready, is its details.
 */
export function errorFromResponse(status: number, headers: Headers, text: string): ECPError {
  let whole: unknown;
  try {
    whole = JSON.parse(text);
  } catch {
    whole = undefined;
  }
  const answer = typeof whole === 'object' && whole !== null && !Array.isArray(whole) ? whole : {};
  const { error: body } = answer as { error?: Partial<components['schemas']['ErrorBodyOut']> | null };
  const [kind, fallback] = classify(status);
  const known = typeof body === 'object' && body !== null && typeof body.code === 'string';
  const details = known ? (typeof body.details === 'object' ? body.details : undefined) : answer;
  return new kind(
    known ? String(body?.message) : `the server answered ${status} without the API's error envelope`,
    {
      code: known ? (body?.code as ErrorCode) : fallback,
      status,
      details: (details ?? undefined) as Record<string, unknown> | undefined,
      requestId: (known ? body?.request_id : undefined) ?? headers.get('x-request-id') ?? undefined,
      retryAfterMs: parseRetryAfter(headers.get('retry-after')),
    },
  );
}

function classify(status: number): [ErrorClass, ErrorCode] {
  if (status === 401) return [AuthError, 'UNAUTHORIZED'];
  if (status === 403) return [AuthError, 'FORBIDDEN'];
  if (status === 404) return [NotFoundError, 'INVALID_REQUEST'];
  if (status === 409 || status === 412) return [ConflictError, 'CONFLICT'];
  if (status === 422) return [ValidationError, 'VALIDATION_FAILED'];
  if (status === 429) return [RateLimitError, 'RATE_LIMITED'];
  if (status >= 500) return [ServerError, 'INTERNAL_ERROR'];
  return [ValidationError, 'INVALID_REQUEST'];
}

/** Reads `Retry-After`, seconds or a date, as milliseconds from now. */
export function parseRetryAfter(value: string | null): number | undefined {
  if (value === null || value.trim() === '') return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
