import { type ReactNode, useState } from 'react';
import { Button } from '../button.tsx';
import { Panel } from '../panel.tsx';
import './chart-panel.css';

export interface LegendEntry {
  readonly name: string;
  readonly className: string;
  readonly value: string;
}

interface ChartPanelProps {
  readonly title: string;
  readonly note: string;
  readonly legend: readonly LegendEntry[];
  readonly chart: ReactNode;
  readonly table: ReactNode;
  readonly heightPx: number;
}

/** A chart that can be read as a table too, with a legend that tells the values under the pointer. */
export function ChartPanel({ title, note, legend, chart, table, heightPx }: ChartPanelProps) {
  const [isTable, setIsTable] = useState(false);
  const toggleName = isTable ? `Show ${title} as a chart` : `Show ${title} as a table`;
  return (
    <Panel
      title={title}
      note={note}
      className="chart-panel"
      actions={
        <Button
          look="quiet"
          icon={isTable ? 'chart' : 'table'}
          aria-label={toggleName}
          title={toggleName}
          onClick={() => setIsTable(!isTable)}
        />
      }
    >
      <dl className="legend">
        {legend.map((entry) => (
          <div key={entry.name} className="legend-entry">
            <dt className={`legend-name ${entry.className}`}>{entry.name}</dt>
            <dd className="legend-value">{entry.value}</dd>
          </div>
        ))}
      </dl>
      <div className="chart-body" style={{ height: heightPx }}>
        {isTable ? table : chart}
      </div>
    </Panel>
  );
}
