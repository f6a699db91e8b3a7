import { useEffect, useLayoutEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useTheme } from '../../theme/theme.ts';
import { type Palette, readPalette } from './palette.ts';
import './plot.css';

export interface PlotProps {
  /** Columns: seconds since the epoch, then one column a series. */
  readonly data: uPlot.AlignedData;
  /** Called anew when the theme changes, since a canvas does not know CSS variables. */
  readonly makeOptions: (palette: Palette) => Omit<uPlot.Options, 'width' | 'height'>;
  /** The x axis, in seconds since the epoch. */
  readonly range: readonly [number, number];
  readonly heightPx: number;
  /** What the chart shows, for those who do not see it. */
  readonly summary: string;
  /** The index under the pointer, or null. */
  readonly onCursor: (index: number | null) => void;
}

export function Plot({ data, makeOptions, range, heightPx, summary, onCursor }: PlotProps) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const latest = useRef({ data, range, onCursor });
  latest.current = { data, range, onCursor };
  const { shown } = useTheme();

  // biome-ignore lint/correctness/useExhaustiveDependencies: `shown` is what the palette is read from
  useEffect(() => {
    const element = holder.current!;
    const options = makeOptions(readPalette(element));
    const made = new uPlot(
      {
        ...options,
        width: element.clientWidth,
        height: heightPx,
        hooks: { setCursor: [(self) => latest.current.onCursor(self.cursor.idx ?? null)] },
        scales: { ...options.scales, x: { time: true, range: () => [...latest.current.range] } },
      },
      latest.current.data,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: heightPx }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [makeOptions, heightPx, shown]);

  useLayoutEffect(() => plot.current?.setData(data), [data]);

  return <div ref={holder} className="plot" role="img" aria-label={summary} style={{ height: heightPx }} />;
}
