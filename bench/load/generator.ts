/** The load generator's process: takes one plan after another from its parent and answers what it saw. */
import { answerParent } from '../parts/child.ts';
import { drive, type LoadPlan } from './drive.ts';

answerParent((plan: LoadPlan) => drive(plan));
