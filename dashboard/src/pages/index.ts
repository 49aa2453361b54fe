// The pages, each loaded when it is first opened.

import type { ECPClient } from '@ecp-ai/orchestrator-client';
import type { Component } from 'svelte';
import type { Mode } from '../lib/router.svelte';

export interface PageProps {
  client: ECPClient;
  mode: Mode;
}

interface Page {
  /** Its place in the address, and of its text in the messages. */
  name: string;
  /** The page of the menu that leads to it, where it is not in the menu itself. */
  below?: string;
  /** For those alone who may read the audit trail. */
  audits?: boolean;
  load: () => Promise<{ default: Component<PageProps> }>;
}

export const PAGES: Page[] = [
  { name: 'overview', load: () => import('./overview/Overview.svelte') },
  { name: 'tenants', load: () => import('./tenants/Page.svelte') },
  { name: 'compare', below: 'tenants', load: () => import('./tenants/Compare.svelte') },
  { name: 'what-if', load: () => import('./what-if/WhatIf.svelte') },
  { name: 'alerts', load: () => import('./alerts/Alerts.svelte') },
  { name: 'capacity', load: () => import('./capacity/Capacity.svelte') },
  { name: 'changes', audits: true, load: () => import('./changes/Changes.svelte') },
  { name: 'manifest', load: () => import('./manifest/Check.svelte') },
];
