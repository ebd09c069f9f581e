/** Finds the route of a method and a path. */
import type { Method, Route } from './route.ts';

export type Match =
  | { readonly kind: 'found'; readonly route: Route; readonly parameter: Buffer }
  /** The path is there, for other methods. */
  | { readonly kind: 'otherMethods'; readonly allowed: readonly string[] }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'unknown' };

type ByMethod = Map<Method, Route>;

const noParameter: Buffer = Buffer.alloc(0);
const parameterPattern = /\{[^}]+\}$/;

export class RouteTable {
  readonly routes: readonly Route[];
  readonly #exact = new Map<string, ByMethod>();
  /** By what comes before the parameter, the longest first. */
  readonly #prefixes: ReadonlyMap<string, ByMethod>;

  constructor(routes: readonly Route[]) {
    this.routes = routes;
    const prefixes = new Map<string, ByMethod>();
    for (const route of routes) {
      const prefix = route.path.replace(parameterPattern, '');
      const paths = prefix === route.path ? this.#exact : prefixes;
      const byMethod = paths.get(prefix) ?? new Map<Method, Route>();
      byMethod.set(route.method, route);
      paths.set(prefix, byMethod);
    }
    this.#prefixes = new Map([...prefixes].sort(([a], [b]) => b.length - a.length));
  }

  /** `path` without its query. HEAD is asked as GET. */
  find(method: string, path: string): Match {
    const exact = this.#exact.get(path);
    if (exact) return matchOf(exact, method, noParameter);
    for (const [prefix, byMethod] of this.#prefixes) {
      if (!path.startsWith(prefix)) continue;
      const parameter = percentDecoded(path.slice(prefix.length));
      return parameter === undefined ? { kind: 'malformed' } : matchOf(byMethod, method, parameter);
    }
    return { kind: 'unknown' };
  }

  /** Whether everybody may learn which methods the path has. */
  isOpen(path: string): boolean {
    return [...(this.#exact.get(path)?.values() ?? [])].some((route) => route.isOpen === true);
  }
}

function matchOf(byMethod: ByMethod, method: string, parameter: Buffer): Match {
  const route = byMethod.get((method === 'HEAD' ? 'GET' : method) as Method);
  if (route) return { kind: 'found', route, parameter };
  const allowed = [...byMethod.keys()].flatMap((known) => (known === 'GET' ? ['GET', 'HEAD'] : [known]));
  return { kind: 'otherMethods', allowed };
}

/** The bytes that a path names: not necessarily UTF-8, as decodeURIComponent wants them. Undefined for a lone `%`. */
export function percentDecoded(text: string): Buffer | undefined {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
  const latin1 = Buffer.from(text, 'utf8')
    .toString('latin1')
    .replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)));
  return Buffer.from(latin1, 'latin1');
}
