import type { FailedEventSummary } from '../../../../src/http/contract.ts';
import { Button } from '../../components/button.tsx';
import { paths } from '../../routing/paths.ts';
import { useDetail } from '../../routing/use-detail.ts';
import { isConflict } from './failed-states.ts';
import { RedriveButton } from './redrive-button.tsx';

/**
 * What a list offers for an open failed event. To redrive a conflict stores another event beside the one that has its
 * id: that is not for a click in passing.
 */
export function RowAction({ failed }: { readonly failed: FailedEventSummary }) {
  const { open } = useDetail();
  const name = failed.event_type ?? failed.id;
  if (!isConflict(failed)) return <RedriveButton id={failed.id} name={name} />;
  return (
    <Button aria-label={`Review ${name}`} onClick={() => open(paths.failedEvent(failed.id))}>
      Review
    </Button>
  );
}
