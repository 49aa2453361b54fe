// Where the reader is: `#/demo/tenants?q=a`. Everything that is chosen on a page is in the address. The part
// after `#` is never sent to a server, so the page works under any path.

export type Mode = 'demo' | 'real';

interface Place {
  mode: Mode | undefined;
  path: string[];
  query: Record<string, string>;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function read(): Place {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const [mode, ...rest] = path.split('/').map(decoded);
  return {
    mode: mode === 'demo' || mode === 'real' ? mode : undefined,
    path: rest.filter((part) => part !== ''),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

let place = $state.raw<Place>(read());
window.addEventListener('hashchange', () => (place = read()));

export const here = {
  get mode() {
    return place.mode;
  },
  get path() {
    return place.path;
  },
  get query() {
    return place.query;
  },
};

type Query = Record<string, string | undefined>;

/** The address of a place in a mode. */
export function addressOf(mode: Mode, path: string[], query: Query = {}): string {
  const chosen = Object.entries(query).filter((pair): pair is [string, string] => !!pair[1]);
  const text = new URLSearchParams(chosen).toString();
  return `#/${[mode, ...path].map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`;
}

/** The address of a place in the mode that is shown. */
export function href(path: string[], query: Query = {}): string {
  return addressOf(place.mode ?? 'demo', path, query);
}

export function go(path: string[], query: Query = {}): void {
  location.hash = href(path, query);
}

/** Changes what is chosen here without a step in the history. */
export function choose(change: Query): void {
  history.replaceState(history.state, '', href(place.path, { ...place.query, ...change }));
  place = read();
}

export function enter(mode: Mode): void {
  history.replaceState(history.state, '', addressOf(mode, place.path, place.query));
  place = read();
}
