import { useEffect, useState } from 'react';
import { Button } from './button.tsx';

/**
 * The clipboard API exists on https and localhost only; a selection that is copied works on a plain http address too.
 */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.style.position = 'fixed';
    area.style.opacity = '0';
    // A modal dialog makes everything outside of it inert, so the helper has to stand inside.
    (document.activeElement?.closest('dialog') ?? document.body).append(area);
    area.select();
    const isCopied = document.execCommand('copy');
    area.remove();
    return isCopied;
  }
}

export function CopyButton({ text, name }: { readonly text: string; readonly name: string }) {
  const [outcome, setOutcome] = useState<'copied' | 'refused' | null>(null);

  useEffect(() => {
    if (outcome === null) return;
    const timer = setTimeout(() => setOutcome(null), 2_000);
    return () => clearTimeout(timer);
  }, [outcome]);

  return (
    <>
      <Button
        icon={outcome === 'copied' ? 'check' : 'copy'}
        aria-label={name}
        title={name}
        onClick={async () => setOutcome((await copyText(text)) ? 'copied' : 'refused')}
      />
      <span className="visually-hidden" role="status">
        {outcome === 'copied' && 'Copied'}
        {outcome === 'refused' && 'The browser refused to copy'}
      </span>
    </>
  );
}
