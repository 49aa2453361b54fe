# One tenant runs hot by design: its CPU alerts from 95 % on, and everybody else's as before.
. "$(dirname "$0")/story.sh"

step "Two tenants at 90 %: both warn."
ecp metrics send seorak-insurance-qa cpu=90
ecp metrics send hanbit-card cpu=90
for tenant in seorak-insurance-qa hanbit-card; do
  eventually sh -c "ecp alerts $tenant --status open -o json | grep -q '\"metric\": \"cpu\"'"
done

step "The rules as they hold, before."
expect "80.0" ecp alert-rules get seorak-insurance-qa

step "A threshold of its own; it holds at once, for what was measured last, too."
expect "95.0" ecp alert-rules set seorak-insurance-qa cpu.warning=95 cpu.critical=99
eventually sh -c '! ecp alerts seorak-insurance-qa --status open -o json | grep -q "\"metric\": \"cpu\""'
expect warning ecp alerts hanbit-card --status open

step "A value over its own threshold alerts, too."
ecp metrics send seorak-insurance-qa cpu=97
eventually sh -c 'ecp alerts seorak-insurance-qa --status open | grep -q warning'

step "Only for those who last: five minutes, given like any time."
[ "$(ecp alert-rules set seorak-insurance-qa cpu.for=5m -o jsonpath='{.rules.cpu.for_seconds}')" = 300 ]
[ "$(ecp alert-rules get seorak-insurance-qa -o jsonpath='{.rules.cpu.warning}')" = 95.0 ]

step "Nonsense is refused before anything changes, with what would be right."
expect_exit 3 "critical threshold can not be below" ecp alert-rules set seorak-insurance-qa cpu.critical=50
expect_exit 3 "Did you mean 'cpu'?" ecp alert-rules set seorak-insurance-qa cpuu.warning=50

step "Who set it: the trail knows."
expect alert_rules ecp audit --tenant seorak-insurance-qa

step "And back to what holds for all."
ecp alert-rules reset seorak-insurance-qa >/dev/null
expect_no '"is_default": false' ecp alert-rules get seorak-insurance-qa -o json
eventually sh -c 'ecp alerts seorak-insurance-qa --status open | grep -q critical'
