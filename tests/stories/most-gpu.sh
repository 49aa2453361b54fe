# Who uses most of the GPUs, and is any left?
. "$(dirname "$0")/story.sh"

ecp metrics send seorak-insurance-qa gpu=100
ecp metrics send hanbit-card gpu=40

step "Who keeps its GPUs busiest?"
expect seorak-insurance-qa ecp top --by gpu
[ "$(ecp top --by gpu --limit 1 -o name)" = seorak-insurance-qa ]

step "Who has ordered most of them?"
[ "$(ecp top --by gpus --limit 1 -o name)" = global-call-center ]
expect "global-call-center,running" ecp top --by gpus -o csv

step "How many are there, promised, and used?"
expect PROMISED ecp overview

step "How many more of the smallest tenants would fit, and what runs out first?"
expect "Fits now" ecp capacity -s chatbot=10
