# Sales asks: can hanbit-card have 200 more channels, today?
. "$(dirname "$0")/story.sh"

step "As it is: 30 channels."
[ "$(ecp tenants get hanbit-card -o jsonpath='{.service_requirements.callbot}')" = 30 ]

step "What would 230 take? Plan, GPUs, price – without a server, even."
expect gpu ecp size -s callbot=230 -s chatbot=60 --response-time 300ms

step "Does the cluster have that? How many such tenants would fit, also with the largest node lost?"
expect "Fits now" ecp capacity -s callbot=230 -s chatbot=60
expect "Node lost" ecp capacity -s callbot=230 -s chatbot=60

step "For this very tenant: what would change, and what it would cost. Nothing is changed."
expect "+ /service_requirements/callbot: 230" ecp tenants update hanbit-card -s callbot=230 --dry-run
expect "cost: " ecp tenants update hanbit-card -s callbot=230 --dry-run
[ "$(ecp tenants get hanbit-card -o jsonpath='{.service_requirements.callbot}')" = 30 ]

step "What does not fit is refused beforehand, with what is short."
expect_exit 5 INSUFFICIENT_RESOURCES ecp tenants create too-much --name Much -s callbot=100000 --dry-run

step "Yes, it can; done."
expect "100%" ecp tenants update hanbit-card -s callbot=230 --wait
[ "$(ecp tenants get hanbit-card -o jsonpath='{.service_requirements.callbot}')" = 230 ]
