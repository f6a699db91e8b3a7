import type { PagesState } from '../api/use-pages.ts';
import { plural } from '../format/numbers.ts';
import { Button } from './button.tsx';
import { Icon } from './icon.tsx';
import './list-foot.css';

/** Above a list that is shown although it could not be asked for anew. */
export function ListProblem({ pages }: { readonly pages: PagesState<unknown> }) {
  if (pages.error === null || pages.items.length === 0) return null;
  return (
    <p className="list-problem" role="alert">
      <Icon name="warning" /> {pages.error.message} The list is as it was.
    </p>
  );
}

export function ListFoot({ pages, what }: { readonly pages: PagesState<unknown>; readonly what: string }) {
  return (
    <div className="list-foot">
      {pages.hasMore ? (
        <Button isBusy={pages.isLoadingMore} onClick={pages.loadMore}>
          {pages.isLoadingMore ? 'Loading' : 'Load more'}
        </Button>
      ) : (
        <span>{plural(pages.items.length, what)}, no more</span>
      )}
    </div>
  );
}
