import type { ReactNode } from 'react';
import { useRouter } from 'wouter';
import { useDetail } from './use-detail.ts';

interface DetailLinkProps {
  readonly path: string;
  readonly className?: string;
  readonly label?: string;
  readonly children: ReactNode;
}

/** A link that opens a drawer in place; with a modifier key the browser does what it always does. */
export function DetailLink({ path, className, label, children }: DetailLinkProps) {
  const detail = useDetail();
  const { base } = useRouter();
  return (
    <a
      href={base + detail.hrefOf(path)}
      className={className}
      aria-label={label}
      onClick={(click) => {
        if (click.metaKey || click.ctrlKey || click.shiftKey || click.altKey || click.button !== 0) return;
        click.preventDefault();
        detail.open(path);
      }}
    >
      {children}
    </a>
  );
}
