/** Drawn on a 16 by 16 grid with one stroke width, so that they sit together with text. */
const shapes = {
  check: 'M3.5 8.5l3 3 6-7',
  close: 'M4 4l8 8M12 4l-8 8',
  copy: 'M5.5 5.5h7v8h-7zM10.5 5.5v-3h-7v8h2',
  warning: 'M8 2.5l6 11H2zM8 6.5v3.2M8 11.6v.1',
  refresh: 'M13 8a5 5 0 1 1-1.6-3.7M13.2 2.3v2.6h-2.6',
  redrive: 'M13 6.5H6a3.25 3.25 0 0 0 0 6.5h3M10.5 4l2.5 2.5L10.5 9',
  discard: 'M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.7 9h5.6l.7-9',
  table: 'M2.5 3.5h11v9h-11zM2.5 6.7h11M6.5 6.7v5.8',
  chart: 'M2.5 12.5l3.5-5 3 2.5 4.5-6.5',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  back: 'M9.5 3.5L5 8l4.5 4.5',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9',
  moon: 'M13 9.3A5.3 5.3 0 0 1 6.7 3a5.3 5.3 0 1 0 6.3 6.3z',
  system: 'M2.5 3.5h11v7.5h-11zM5.5 13.5h5M8 11v2.5',
} as const;

export type IconName = keyof typeof shapes;

/** Always beside a text or inside a named control, so hidden from assistive technology. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={shapes[name]} />
    </svg>
  );
}
