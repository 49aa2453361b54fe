# A customer calls: hanbit-card is slow. Why, and what helps?
. "$(dirname "$0")/story.sh"

step "The tenant sends what it measures: 720 ms where 300 ms are promised, and its GPUs are full."
ecp metrics send hanbit-card response_time=720 gpu=98 cpu=70

step "The overview has it first: the promise is missed twice over."
expect hanbit-card ecp overview
expect critical ecp alerts --severity critical

step "Who is slowest? It is."
[ "$(ecp top --by response-time --limit 1 -o name)" = hanbit-card ]

step "One page tells why: the response time against the promise, and the GPUs at 98 %."
expect "720.0ms" ecp describe hanbit-card
expect "98.0%" ecp describe hanbit-card

step "What would help? Nothing is changed yet; the difference and its price are shown."
expect "preset: large" ecp tenants update hanbit-card --preset large --dry-run
expect "Nothing was changed." ecp tenants update hanbit-card --preset large --dry-run

step "Done, and waited for."
expect "100%" ecp tenants update hanbit-card --preset large --wait

step "The tenant measures again, and neither alert is open any more."
ecp metrics send hanbit-card response_time=140 gpu=45 cpu=30
eventually sh -c '! ecp alerts hanbit-card --status open -o json | grep -qE "response_time|\"gpu\""'
