import { useMemo, useState } from 'react';
import { formatJsonText, layOutJson, problemOfJson } from '../json/json-text.ts';
import { Button } from './button.tsx';
import { CopyButton } from './copy-button.tsx';
import './json-view.css';

/** Lines drawn at first: a payload may have 20,000, and a browser takes a second for that many. */
const linesAtFirst = 500;

/** JSON text laid out as it was sent, digit for digit; what is not JSON stands as it is. */
export function JsonView({ text, name }: { readonly text: string; readonly name: string }) {
  const [isWhole, setIsWhole] = useState(false);
  const lines = useMemo(() => (problemOfJson(text) === null ? layOutJson(text) : null), [text]);
  const shown = isWhole ? lines : lines?.slice(0, linesAtFirst);
  return (
    <div className="json">
      <div className="json-copy">
        <CopyButton text={lines ? formatJsonText(text) : text} name={`Copy ${name}`} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
      <section className="json-scroll" aria-label={name} tabIndex={0}>
        <pre className="json-text">
          {shown?.map((line, number) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a line is what stands at its number
            <span key={number} className="json-line" style={{ paddingLeft: `${line.depth * 2 + 2}ch` }}>
              {line.tokens.map((token, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: likewise
                <span key={index} className={`json-${token.kind}`}>
                  {token.text}
                </span>
              ))}
              {'\n'}
            </span>
          )) ?? text}
        </pre>
      </section>
      {lines && shown && shown.length < lines.length && (
        <Button look="quiet" onClick={() => setIsWhole(true)}>
          Show all {lines.length.toLocaleString('en')} lines
        </Button>
      )}
    </div>
  );
}
