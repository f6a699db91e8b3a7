import { Link } from 'wouter';
import '../components/button.css';
import '../components/states.css';
import { useTitle } from '../components/use-title.ts';
import { paths } from '../routing/paths.ts';

export function NotFound() {
  useTitle('Not found');
  return (
    <div className="state">
      <h1>There is nothing at this address</h1>
      <p className="state-text">The link may be old, or have lost a letter on its way.</p>
      <Link href={paths.overview} className="button">
        Go to the overview
      </Link>
    </div>
  );
}
