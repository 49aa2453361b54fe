# The new size was a mistake: back to what ran before, by hand.
. "$(dirname "$0")/story.sh"

step "Two changes, both fine by themselves."
ecp tenants update hanbit-card -s callbot=40 --wait >/dev/null
ecp tenants update hanbit-card -s callbot=80 --wait >/dev/null

step "What ran, when, and what changed."
expect "/service_requirements/callbot" ecp tenants history hanbit-card

step "Back by one: what ran before."
expect "100%" ecp tenants rollback hanbit-card --wait
[ "$(ecp tenants get hanbit-card -o jsonpath='{.service_requirements.callbot}')" = 40 ]

step "Back to the beginning: the deployment is named."
first=$(ecp tenants history hanbit-card -o name | tail -n 1)
expect "100%" ecp tenants rollback hanbit-card --to "$first" --wait
[ "$(ecp tenants get hanbit-card -o jsonpath='{.service_requirements.callbot}')" = 30 ]

step "The history says that these were roll-backs."
expect rollback ecp tenants history hanbit-card

step "Where there is nothing to go back to, it is said."
ecp tenants create fresh --name Fresh -s chatbot=1 --wait >/dev/null
expect_exit 5 CONFLICT ecp tenants rollback fresh
