import { formatSecond } from '../../format/times.ts';
import '../table.css';
import type { Step } from './steps.ts';

interface StepTableProps {
  readonly caption: string;
  readonly steps: readonly Step[];
  readonly columns: readonly { readonly name: string; readonly valueOf: (step: Step) => string }[];
}

/** The numbers behind a chart, newest first. */
export function StepTable({ caption, steps, columns }: StepTableProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section className="chart-table" aria-label={caption} tabIndex={0}>
      <table className="table">
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">From</th>
            {columns.map((column) => (
              <th key={column.name} scope="col" className="number">
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {steps.toReversed().map((step) => (
            <tr key={step.at}>
              <td>
                <StepTime at={new Date(step.at).toISOString()} />
              </td>
              {columns.map((column) => (
                <td key={column.name} className="number">
                  {column.valueOf(step)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function StepTime({ at }: { readonly at: string }) {
  return (
    <time dateTime={at} title={at}>
      {formatSecond(at, Date.now())}
    </time>
  );
}
