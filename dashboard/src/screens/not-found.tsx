import { Link } from 'wouter';
import { Empty } from '../components/states.tsx';
import { useTitle } from '../components/use-title.ts';
import { paths } from '../routing/paths.ts';

export function NotFound() {
  useTitle('Not found');
  return (
    <Empty title="There is nothing at this address">
      <Link href={paths.overview}>Go to the overview</Link>
    </Empty>
  );
}
