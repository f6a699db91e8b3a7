/** The process that offers more than can be taken. */
import { answerParent } from '../parts/child.ts';
import { type OfferPlan, offer } from './offer.ts';

answerParent((plan: OfferPlan) => offer(plan));
