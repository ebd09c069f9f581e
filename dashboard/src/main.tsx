/** The page: its tabs by the address's hash, the theme, and the login where the server asks for one. */
import { type ComponentChildren, type JSX, render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { type Cluster, isLoggedIn, logIn, logOut, onLoginNeeded } from './api.ts';
import { Blocks } from './blocks.tsx';
import { Config } from './config.tsx';
import { type Live, useLive } from './hooks.ts';
import { Keys } from './keys.tsx';
import { Overview } from './overview.tsx';
import { Card, Field, valueOf } from './parts.tsx';
import { Batch, Scan, Single } from './requests.tsx';
import { Api, Health, Metrics } from './watching.tsx';
import './style.css';

const tabs = ['overview', 'keys', 'blocks', 'single', 'batch', 'scan', 'config', 'metrics', 'health', 'api'] as const;
type Tab = (typeof tabs)[number];
type Theme = 'auto' | 'light' | 'dark';

const tabOfHash = (): Tab => tabs.find((tab) => `#/${tab}` === location.hash) ?? 'overview';

function App(): JSX.Element {
  const [tab, setTab] = useState<Tab>(tabOfHash);
  const [isAsked, setAsked] = useState(false);
  const [theme, setTheme] = useTheme();
  const live = useLive(!isAsked);
  useEffect(() => {
    const follow = (): void => setTab(tabOfHash());
    window.addEventListener('hashchange', follow);
    window.addEventListener('keydown', searchOnSlash);
    const stop = onLoginNeeded(() => setAsked(true));
    return () => {
      window.removeEventListener('hashchange', follow);
      window.removeEventListener('keydown', searchOnSlash);
      stop();
    };
  }, []);
  useEffect(() => {
    document.title = `${tab} · kvcache`;
  }, [tab]);
  return (
    <>
      <a class="skip" href="#main">
        To the content
      </a>
      <header class="top">
        <a class="brand" href="#/overview">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <circle cx="16" cy="16" r="11" />
          </svg>
          kvcache
        </a>
        <Status live={live} />
        <div class="top-side">
          <button type="button" onClick={() => setTheme(nextTheme[theme])} aria-label={`Theme: ${theme}`} title="Theme">
            {themeSigns[theme]}
          </button>
          {isLoggedIn() && !isAsked && (
            <button
              type="button"
              onClick={() => {
                logOut();
                setAsked(true);
              }}
            >
              Log out
            </button>
          )}
        </div>
      </header>
      <nav class="tabs" aria-label="Views">
        {tabs.map((name) => (
          <a key={name} href={`#/${name}`} aria-current={name === tab ? 'page' : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <main id="main" tabindex={-1}>
        {isAsked ? <Login onDone={() => setAsked(false)} /> : <View tab={tab} live={live} theme={theme} />}
      </main>
    </>
  );
}

function View({ tab, live, theme }: { readonly tab: Tab; readonly live: Live; readonly theme: Theme }): JSX.Element {
  const views: Readonly<Record<Tab, () => ComponentChildren>> = {
    overview: () => <Overview live={live} theme={theme} />,
    keys: () => <Keys />,
    blocks: () => <Blocks />,
    single: () => <Single />,
    batch: () => <Batch />,
    scan: () => <Scan />,
    config: () => <Config />,
    metrics: () => <Metrics />,
    health: () => <Health />,
    api: () => <Api />,
  };
  return (
    <>
      <h1 class="sr-only">{tab}</h1>
      {views[tab]()}
    </>
  );
}

function Status({ live: { cluster, statistics, fault } }: { readonly live: Live }): JSX.Element {
  if (fault !== undefined) return <p class="status status-bad">{fault}</p>;
  if (cluster === undefined || statistics === undefined) return <p class="status">…</p>;
  const away = statistics.shards.filter(({ error }) => error !== undefined).length;
  const shards = cluster.shards.length;
  return (
    <p class={`status ${away > 0 ? 'status-bad' : 'status-good'}`}>
      {`${nameOf(cluster)} · ${shards} shard${shards === 1 ? '' : 's'}`}
      {away > 0 ? `, ${away} away` : ''}
    </p>
  );
}

function nameOf({ role, name }: Cluster): string {
  return name.startsWith(role) ? name : `${role} ${name}`;
}

function Login({ onDone }: { readonly onDone: () => void }): JSX.Element {
  const [kind, setKind] = useState<'token' | 'password'>('token');
  const [secret, setSecret] = useState('');
  return (
    <Card title="Log in">
      <form
        class="login"
        onSubmit={(event) => {
          event.preventDefault();
          logIn(kind, secret);
          onDone();
        }}
      >
        <p>
          {isLoggedIn() ? 'These credentials are not accepted here.' : 'This cache asks for a token or a password.'}
        </p>
        <Field label="Kind">
          <select value={kind} onChange={(event) => setKind(valueOf(event) as typeof kind)}>
            <option value="token">token</option>
            <option value="password">password</option>
          </select>
        </Field>
        <Field label="Secret">
          <input
            type="password"
            autocomplete="current-password"
            value={secret}
            onInput={(event) => setSecret(valueOf(event))}
            required
          />
        </Field>
        <button type="submit" class="primary">
          Log in
        </button>
        <p class="hint">It is kept until this tab is closed.</p>
      </form>
    </Card>
  );
}

const themeSigns: Readonly<Record<Theme, string>> = { auto: '◐ auto', light: '○ light', dark: '● dark' };
const nextTheme: Readonly<Record<Theme, Theme>> = { auto: 'light', light: 'dark', dark: 'auto' };

function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState<Theme>(() => (localStorage.getItem('kvcache-theme') as Theme | null) ?? 'auto');
  if (theme === 'auto') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
  return [
    theme,
    (next) => {
      localStorage.setItem('kvcache-theme', next);
      setTheme(next);
    },
  ];
}

/** `/` goes to the field that one would type into next. */
function searchOnSlash(event: KeyboardEvent): void {
  if (event.key !== '/' || /^(INPUT|TEXTAREA|SELECT)$/.test((event.target as HTMLElement).tagName)) return;
  const field = document.querySelector<HTMLElement>('[data-search]');
  if (field === null) return;
  event.preventDefault();
  field.focus();
}

render(<App />, document.querySelector('#app')!);
