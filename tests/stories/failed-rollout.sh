# A roll-out fails: it says so, says why, is put right, and nothing is left of it.
. "$(dirname "$0")/story.sh"

step "A new release of namsan-shopping does not come up. Whoever waits learns it by the exit code, with the reason."
expect_exit 8 CrashLoopBackOff ecp tenants update namsan-shopping -s chatbot=60 --demo-fault crash-loop --rollback=false --wait

step "It is the first thing in the overview, with what to do about it."
expect namsan-shopping ecp overview

step "The page of the tenant names the fault, the objects that are waited for, and what was changed."
expect "CrashLoopBackOff" ecp describe namsan-shopping
expect "/service_requirements/chatbot" ecp describe namsan-shopping

step "The fault is mended; the same change runs."
expect "100%" ecp tenants update namsan-shopping --demo-fault none --wait
expect running ecp wait namsan-shopping --for running
[ "$(ecp tenants get namsan-shopping -o jsonpath='{.service_requirements.chatbot}')" = 60 ]

step "No tenant has failed any more, and the history keeps both roll-outs."
[ -z "$(ecp overview -o jsonpath='{.attention[?(@.kind=="tenant_failed")].tenant_id}')" ]
expect failed ecp tenants history namsan-shopping
