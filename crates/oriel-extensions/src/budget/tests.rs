use oriel_model::budget::{BytesBudget, CallsBudget, RateBudget, TimeBudget};

use super::*;

const SECOND: u64 = 1_000_000_000;

const CALL: Use = Use {
    judged: true,
    failed: false,
    wall_us: 1_000,
    cpu_us: 500,
    memory: 1 << 20,
    outbound_bytes: 100,
    model_spend: 0,
};

const fn span(seconds: u64) -> TimeSpan {
    TimeSpan(Duration::from_secs(seconds))
}

fn calls(limit: u64, window: u64, action: BudgetAction) -> BudgetWatch {
    BudgetWatch::new(&Budgets {
        calls: Some(CallsBudget {
            limit,
            window: span(window),
            action,
        }),
        ..Budgets::default()
    })
}

#[test]
fn the_call_that_would_be_one_too_many_is_refused_until_the_window_moves_on() {
    let mut watch = calls(3, 60, BudgetAction::Throttle);
    let start = 1_000 * SECOND;
    for second in 0..3 {
        assert_eq!(watch.enter(start + second * SECOND), Ok(()));
    }
    let refused = watch.enter(start + 3 * SECOND).unwrap_err();
    assert_eq!(refused.reason, "over the budget `calls`: 3 of 3 within 1m");
    // The ring moves on by two seconds at a time.
    let left = refused.retry_after.as_secs();
    assert!((55..=60).contains(&left), "{left}");
    let free = start + 3 * SECOND + nanos(refused.retry_after);
    assert!(watch.check(free - SECOND).is_err());
    assert_eq!(watch.enter(free), Ok(()));
    // What was refused was not counted.
    assert!(watch.used(free)[0].used <= 3.0);
}

#[test]
fn what_the_model_costs_is_added_up_to_a_millionth() {
    let mut watch = BudgetWatch::new(&Budgets {
        model_spend: Some(oriel_model::budget::SpendBudget {
            limit: Money(1_000),
            window: span(3_600),
            action: BudgetAction::Throttle,
        }),
        ..Budgets::default()
    });
    let start = 1_000_000 * SECOND;
    for _ in 0..999 {
        watch.add(start, Use { model_spend: 1, ..CALL });
    }
    assert_eq!(watch.enter(start), Ok(()));
    watch.add(start, Use { model_spend: 1, ..CALL });
    let refused = watch.enter(start).unwrap_err();
    assert_eq!(refused.reason, "over the budget `modelSpend`: 0.001 of 0.001 within 1h");
    assert_eq!(watch.enter(start + 3_601 * SECOND), Ok(()));
}

#[test]
fn many_small_calls_use_up_the_same_as_few_large_ones() {
    let mut watch = BudgetWatch::new(&Budgets {
        cpu: Some(TimeBudget {
            limit: span(1),
            window: span(60),
            action: BudgetAction::Throttle,
        }),
        ..Budgets::default()
    });
    let mut let_in = 0;
    for call in 0..10_000_u64 {
        let now = call * 1_000_000;
        if watch.enter(now).is_ok() {
            let_in += 1;
            watch.add(now, CALL);
        }
    }
    assert_eq!(let_in, 2_001, "half a millisecond each");
}

#[test]
fn each_axis_is_crossed_once_and_kept_again_when_the_window_is_empty() {
    let action = BudgetAction::Warn;
    let window = span(10);
    let budgets = [
        Budgets {
            latency_p95: Some(TimeBudget {
                limit: TimeSpan(Duration::from_millis(2)),
                window,
                action,
            }),
            ..Budgets::default()
        },
        Budgets {
            error_rate: Some(RateBudget {
                limit: 0.25,
                window,
                action,
            }),
            ..Budgets::default()
        },
        Budgets {
            cpu: Some(TimeBudget {
                limit: TimeSpan(Duration::from_millis(20)),
                window,
                action,
            }),
            ..Budgets::default()
        },
        Budgets {
            memory: Some(BytesBudget {
                limit: ByteSize(2 << 20),
                window,
                action,
            }),
            ..Budgets::default()
        },
        Budgets {
            outbound_bytes: Some(BytesBudget {
                limit: ByteSize(4_000),
                window,
                action,
            }),
            ..Budgets::default()
        },
        Budgets {
            calls: Some(CallsBudget { limit: 39, window, action }),
            ..Budgets::default()
        },
    ];
    let heavy = Use {
        judged: true,
        failed: true,
        wall_us: 5_000,
        cpu_us: 2_000,
        memory: 3 << 20,
        outbound_bytes: 1_000,
        model_spend: 0,
    };
    for budgets in budgets {
        let axis = budgets.all()[0].0;
        let mut watch = BudgetWatch::new(&budgets);
        let now = 77 * SECOND;
        for _ in 0..30 {
            watch.enter(now).unwrap();
            watch.add(now, CALL);
        }
        assert_eq!(watch.crossed(now), [], "{axis}");
        for _ in 0..15 {
            watch.enter(now).unwrap();
            watch.add(now, heavy);
        }
        let crossed = watch.crossed(now);
        assert_eq!(crossed.len(), 1, "{axis}");
        assert!(
            crossed[0].reason.starts_with(&format!("over the budget `{axis}`: ")),
            "{}",
            crossed[0].reason
        );
        assert!(watch.is_over() && watch.used(now)[0].over, "{axis}");
        assert_eq!(watch.crossed(now), [], "{axis}: it is told once");
        assert_eq!(watch.crossed(now + 11 * SECOND), [], "{axis}");
        assert!(!watch.is_over(), "{axis}");
    }
}

#[test]
fn shares_of_few_calls_mean_nothing() {
    let mut watch = BudgetWatch::new(&Budgets {
        error_rate: Some(RateBudget {
            limit: 0.1,
            window: span(60),
            action: BudgetAction::Trip,
        }),
        ..Budgets::default()
    });
    let failed = Use { failed: true, ..CALL };
    for _ in 0..19 {
        watch.add(0, failed);
    }
    assert_eq!(watch.crossed(0), []);
    // What says nothing of the extension is not counted either.
    watch.add(0, Use { judged: false, ..failed });
    assert_eq!(watch.crossed(0), []);
    watch.add(0, failed);
    assert_eq!(watch.crossed(0).len(), 1);
    watch.add(0, failed);
    assert_eq!(watch.crossed(0), [], "having tripped, it counts anew");
}
