//! What tenants cost: months, in the catalog's time zone, by hours of existence.
//!
//! A tenant's price and cost are of a month. Of each stretch of time in which they stayed the same, the
//! part of the month's hours that it covers is counted; a sum is rounded to the cent once, for each tenant,
//! and the total is the sum of what is shown.

use crate::Timestamp;
use crate::catalog::Currency;
use crate::ids::{Incarnation, TenantId, TenantKey};
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A stretch of time in which a tenant's price and cost stayed the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricePeriod {
    /// Whose.
    pub tenant_id: TenantId,
    /// Which of the tenants of that id.
    pub incarnation: Incarnation,
    /// Its name then.
    pub name: String,
    /// Its plan then.
    pub preset: String,
    /// What it paid, in whole US dollars a month.
    pub list_price_usd: u64,
    /// What it cost the operator, in whole US dollars a month.
    pub operator_cost_usd: u64,
    /// Since when.
    pub from: Timestamp,
    /// Until when; `None` while it lasts.
    pub until: Option<Timestamp>,
}

/// A calendar month in a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Month {
    /// As `2026-11`.
    pub name: String,
    /// Its first moment.
    pub begin: Timestamp,
    /// The first moment of the next.
    pub end: Timestamp,
}

impl Month {
    /// The month in which a moment is.
    pub fn of(now: Timestamp, zone: &TimeZone) -> Option<Self> {
        Self::beginning(now.to_zoned(zone.clone()).date().first_of_month(), zone)
    }

    /// Reads `2026-11`; `None` where it is no month, or one whose first moment is before the year 1
    /// in UTC: a timestamp could not say it.
    pub fn parse(text: &str, zone: &TimeZone) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let digits =
            |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return None;
        }
        Self::beginning(Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?, zone)
    }

    fn beginning(first: Date, zone: &TimeZone) -> Option<Self> {
        let next = first.last_of_month().tomorrow().ok()?;
        let moment = |date: Date| {
            let moment = date.to_zoned(zone.clone()).ok()?.timestamp();
            (moment.to_zoned(TimeZone::UTC).year() >= 1).then_some(moment)
        };
        Some(Self {
            name: format!("{:04}-{:02}", first.year(), first.month()),
            begin: moment(first)?,
            end: moment(next)?,
        })
    }

    /// Milliseconds of a stretch of time that are in the month, and not after `now`.
    fn covered_ms(&self, period: &PricePeriod, now: Timestamp) -> i64 {
        let from = period.from.max(self.begin);
        let until = period.until.unwrap_or(now).min(self.end).min(now);
        (until.as_millisecond() - from.as_millisecond()).max(0)
    }

    fn length_ms(&self) -> i64 {
        self.end.as_millisecond() - self.begin.as_millisecond()
    }
}

/// Money, in US dollars and in the catalog's second currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// US cents.
    pub cents: i64,
    /// The second currency's smallest unit that the catalog counts: whole won.
    pub local_units: i64,
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.cents += other.cents;
        self.local_units += other.local_units;
    }
}

/// What one tenant cost in a month.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantCost {
    /// Whose.
    pub tenant_id: TenantId,
    /// Which of the tenants of that id.
    pub incarnation: Incarnation,
    /// Its name, the newest in the month.
    pub name: String,
    /// Its plan, the newest in the month.
    pub preset: String,
    /// True where the tenant is gone.
    pub is_deleted: bool,
    /// Hours of existence, in thousandths.
    pub milli_hours: i64,
    /// What it paid.
    pub list_price: Amount,
    /// What it cost the operator.
    pub operator_cost: Amount,
    /// The difference of what is shown.
    pub margin: Amount,
}

/// What tenants cost in a month, by id, then age; periods may come in any order. A period also ends where a
/// plan changes, so `exists` says who is still there.
pub fn costs(
    periods: impl IntoIterator<Item = PricePeriod>,
    month: &Month,
    now: Timestamp,
    currency: &Currency,
    exists: impl Fn(&TenantKey) -> bool,
) -> Vec<TenantCost> {
    let mut periods: Vec<PricePeriod> =
        periods.into_iter().filter(|period| month.covered_ms(period, now) > 0).collect();
    periods.sort_by(|a, b| (&a.tenant_id, a.incarnation, a.from).cmp(&(&b.tenant_id, b.incarnation, b.from)));
    periods
        .chunk_by(|a, b| a.tenant_id == b.tenant_id && a.incarnation == b.incarnation)
        .filter_map(|of_one| one(of_one, month, now, currency, &exists))
        .collect()
}

fn one(
    periods: &[PricePeriod],
    month: &Month,
    now: Timestamp,
    currency: &Currency,
    exists: impl Fn(&TenantKey) -> bool,
) -> Option<TenantCost> {
    let newest = periods.last()?;
    let key = TenantKey { id: newest.tenant_id.clone(), incarnation: newest.incarnation };
    let covered = |period: &PricePeriod| i128::from(month.covered_ms(period, now));
    let sum = |dollars: fn(&PricePeriod) -> u64| -> Amount {
        let dollars_ms: i128 =
            periods.iter().map(|period| i128::from(dollars(period)) * covered(period)).sum();
        let cents = rounded(dollars_ms * 100, month.length_ms().into());
        Amount { cents, local_units: currency.of_cents(cents) }
    };
    let list_price = sum(|period| period.list_price_usd);
    let operator_cost = sum(|period| period.operator_cost_usd);
    let existed: i128 = periods.iter().map(covered).sum();
    Some(TenantCost {
        is_deleted: !exists(&key),
        tenant_id: key.id,
        incarnation: key.incarnation,
        name: newest.name.clone(),
        preset: newest.preset.clone(),
        milli_hours: rounded(existed, 3_600),
        list_price,
        operator_cost,
        margin: Amount {
            cents: list_price.cents - operator_cost.cents,
            local_units: list_price.local_units - operator_cost.local_units,
        },
    })
}

/// A quotient, halves away from zero.
pub(crate) fn rounded(numerator: i128, denominator: i128) -> i64 {
    let half = denominator / 2;
    let shifted = if numerator < 0 { numerator - half } else { numerator + half };
    i64::try_from(shifted / denominator.max(1)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seoul() -> TimeZone {
        TimeZone::get("Asia/Seoul").expect("the zone is known")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn period(id: &str, price: u64, cost: u64, from: &str, until: Option<&str>) -> PricePeriod {
        PricePeriod {
            tenant_id: TenantId::parse(id).expect("an id"),
            incarnation: Incarnation::default(),
            name: id.to_owned(),
            preset: "medium".to_owned(),
            list_price_usd: price,
            operator_cost_usd: cost,
            from: at(from),
            until: until.map(at),
        }
    }

    fn won() -> Currency {
        Currency { code: "KRW".to_owned(), per_usd: 1390.5, as_of: "2026-11-02".parse().expect("a day") }
    }

    #[test]
    fn a_month_is_of_its_zone_and_anything_else_is_none() {
        let november = Month::parse("2026-11", &seoul()).expect("a month");
        assert_eq!(november.begin, at("2026-10-31T15:00:00Z"));
        assert_eq!(november.end, at("2026-11-30T15:00:00Z"));
        assert_eq!(Month::of(at("2026-10-31T15:00:00Z"), &seoul()), Some(november));
        assert_eq!(
            Month::of(at("2026-10-31T14:59:59Z"), &seoul()).map(|month| month.name),
            Some("2026-10".into())
        );
        for wrong in
            ["2026", "2026-13", "2026-00", "26-11", "2026-1", "2026-11-01", "+026-11", "", "202６-11"]
        {
            assert_eq!(Month::parse(wrong, &seoul()), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_month_that_begins_before_the_year_1_in_utc_is_none() {
        for wrong in ["0000-01", "0000-12", "0001-01"] {
            assert_eq!(Month::parse(wrong, &seoul()), None, "{wrong:?}");
        }
        assert!(Month::parse("0001-02", &seoul()).is_some());
        assert!(Month::parse("0001-01", &TimeZone::UTC).is_some());
    }

    #[test]
    fn a_whole_month_is_the_price_and_half_of_it_half() {
        let november = Month::parse("2026-11", &seoul()).expect("a month");
        let after = at("2026-12-24T00:00:00Z");
        let periods = [
            period("half", 350, 1001, "2026-11-15T15:00:00Z", None),
            period("whole", 350, 1001, "2026-01-01T00:00:00Z", None),
            period("gone-before", 350, 1001, "2026-01-01T00:00:00Z", Some("2026-10-31T15:00:00Z")),
            period("to-come", 350, 1001, "2026-11-30T15:00:00Z", None),
        ];
        let rows = costs(periods, &november, after, &won(), |_| true);
        let shown: Vec<_> = rows
            .iter()
            .map(|row| {
                (row.tenant_id.as_str(), row.list_price.cents, row.operator_cost.cents, row.milli_hours)
            })
            .collect();
        assert_eq!(shown, [("half", 17_500, 50_050, 360_000), ("whole", 35_000, 100_100, 720_000)]);
        assert_eq!(rows[1].list_price.local_units, 486_675, "350 x 1390.5");
        assert_eq!(rows[1].margin, Amount { cents: -65_100, local_units: 486_675 - 1_391_891 });
        assert!(!rows[0].is_deleted);
    }

    #[test]
    fn a_change_of_plan_and_a_deletion_count_each_stretch_and_the_present_month_ends_now() {
        let november = Month::parse("2026-11", &seoul()).expect("a month");
        let now = at("2026-11-10T15:00:00Z");
        let periods = [
            period("acme", 130, 400, "2026-11-05T15:00:00Z", Some("2026-11-08T15:00:00Z")),
            period("acme", 350, 1000, "2026-10-31T15:00:00Z", Some("2026-11-05T15:00:00Z")),
        ];
        let rows = costs(periods, &november, now, &won(), |_| false);
        assert_eq!(rows.len(), 1);
        // 5 of 30 days at 350, 3 at 130: 58.333 + 13.
        assert_eq!((rows[0].list_price.cents, rows[0].milli_hours), (7_133, 192_000));
        assert!(rows[0].is_deleted);
        let begun = period("acme", 300, 0, "2026-11-10T03:00:00Z", None);
        let open = costs([begun], &november, now, &won(), |_| true);
        assert_eq!((open[0].milli_hours, open[0].list_price.cents), (12_000, 500));
    }

    #[test]
    fn a_plan_that_changed_after_the_month_leaves_its_tenant_alive_and_an_id_may_come_again() {
        let november = Month::parse("2026-11", &seoul()).expect("a month");
        let now = at("2026-12-24T00:00:00Z");
        let again = Incarnation::default();
        let gone = PricePeriod {
            incarnation: Incarnation::begun_at(7),
            ..period("acme", 350, 1000, "2026-10-01T00:00:00Z", Some("2026-11-02T00:00:00Z"))
        };
        let periods = [
            gone,
            period("acme", 350, 1000, "2026-11-05T00:00:00Z", Some("2026-12-05T00:00:00Z")),
            period("acme", 450, 1500, "2026-12-05T00:00:00Z", None),
        ];
        let rows = costs(periods, &november, now, &won(), |key| key.incarnation == again);
        let mut deleted: Vec<_> = rows.iter().map(|row| (row.incarnation == again, row.is_deleted)).collect();
        deleted.sort_unstable();
        assert_eq!(deleted, [(false, true), (true, false)]);
    }
}
