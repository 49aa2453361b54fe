# Argo CD or Flux applies a tenant from here on; later it comes back, and another one leaves for good.
. "$(dirname "$0")/story.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

step "Its manifest goes to Git, without the values of secrets."
ecp manifest hanbit-card > "$folder/hanbit-card.yaml"
[ "$(grep -c '^kind: Deployment' "$folder/hanbit-card.yaml")" -ge 4 ]

step "The tenant is given away: nothing is written to the cluster for it any more."
expect "100%" ecp tenants update hanbit-card --management external --wait
expect "external" ecp tenants get hanbit-card

step "It is sized as ever. What comes of a change is in the manifest, and runs when others have applied it."
expect "100%" ecp tenants update hanbit-card -s callbot=45 --wait
ecp manifest hanbit-card | { ! diff -q - "$folder/hanbit-card.yaml"; }
expect "managed by others" ecp status hanbit-card

step "Who asks for another kind of management is told which there are."
expect_exit 3 "internal, external" ecp tenants update hanbit-card --management argocd

step "Back again: the orchestrator takes over what is there."
expect "100%" ecp tenants update hanbit-card --management internal --wait
expect "the orchestrator's from here on" ecp status hanbit-card

step "A tenant of others goes from here alone, and that is said."
ecp tenants create theirs --name Theirs -s chatbot=1 --management external --wait >/dev/null
expect "the namespace 'ecp-ai-theirs' is left as it is" ecp tenants delete theirs
ecp wait theirs --for deleted
