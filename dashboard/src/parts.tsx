/** Small pieces that views are made of. */
import type { ComponentChildren, JSX } from 'preact';
import type { Outcome } from './hooks.ts';

export function Card({
  title,
  aside,
  children,
}: {
  readonly title?: string;
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <section class="card">
      {title !== undefined && (
        <header class="card-head">
          <h2>{title}</h2>
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}

export function Field({
  label,
  children,
}: {
  readonly label: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <label class="field">
      <span>{label}</span>
      {children}
    </label>
  );
}

/** What the last action said, for eyes and for readers. */
export function Said({ outcome }: { readonly outcome: Outcome }): JSX.Element {
  return (
    <p role="status" class={`said said-${outcome.kind}`}>
      {outcome.text}
    </p>
  );
}

export function Tier({ name }: { readonly name: string | undefined }): JSX.Element {
  return <span class={`badge tier-${name ?? 'gone'}`}>{name ?? 'gone'}</span>;
}

/** A share of a whole, as a bar. */
export function Bar({ share, tone }: { readonly share: number; readonly tone: string }): JSX.Element {
  const bounded = Math.max(0, Math.min(1, share));
  return (
    <span class="bar" role="presentation">
      <span class={`bar-fill tone-${tone}`} style={{ width: `${bounded * 100}%` }} />
    </span>
  );
}

export const valueOf = (event: Event): string => (event.currentTarget as HTMLInputElement).value;
