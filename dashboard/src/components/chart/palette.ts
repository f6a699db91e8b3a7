const names = ['ink-faint', 'grid', 'surface', 'series-rate', 'series-p50', 'series-p95', 'series-p99'] as const;

export type ColorName = (typeof names)[number];

export interface Palette {
  readonly color: (name: ColorName, opacity?: number) => string;
  readonly font: string;
}

/** Resolves the colour tokens for a canvas: their text still holds light-dark(), only a computed colour does not. */
export function readPalette(element: HTMLElement): Palette {
  const probe = document.createElement('span');
  element.append(probe);
  const colors = new Map<ColorName, string>();
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    colors.set(name, getComputedStyle(probe).color);
  }
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  probe.remove();
  return {
    font,
    color: (name, opacity = 1) => {
      const color = colors.get(name)!;
      return opacity === 1 ? color : `color-mix(in oklab, ${color} ${opacity * 100}%, transparent)`;
    },
  };
}
