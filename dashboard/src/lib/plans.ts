// The plans that tenants are sold, smallest first.

export const PLANS = ['micro', 'small', 'medium', 'large'] as const;
