import type { PagesState } from '../api/use-pages.ts';
import { plural } from '../format/numbers.ts';
import { Button } from './button.tsx';
import './list-foot.css';

export function ListFoot({ pages, what }: { readonly pages: PagesState<unknown>; readonly what: string }) {
  return (
    <div className="list-foot">
      {pages.error && <span role="alert">{pages.error.message}</span>}
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
