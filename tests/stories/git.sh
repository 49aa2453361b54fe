# Every tenant into Git, and back: no difference.
. "$(dirname "$0")/story.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

step "Written down, a file for each tenant."
expect "4 tenants written" ecp export --dir tenants
git init -q . && git add tenants && git -c user.name=me -c user.email=me@localhost commit -qm "as it is"

step "What is in Git is what is there: no difference, nothing to apply."
ecp diff -f tenants --strict
expect "tenant hanbit-card unchanged" ecp apply -f tenants
ecp apply -f tenants | { ! grep -v unchanged; }

step "Somebody changes a tenant by hand; Git sees it, value by value."
ecp tenants update hanbit-card -s callbot=31 --wait >/dev/null
expect_exit 1 "- /service_requirements/callbot: 31" ecp diff -f tenants
expect_exit 1 "+ /service_requirements/callbot: 30" ecp diff -f tenants

step "Git wins."
expect "hanbit-card updated" ecp apply -f tenants --wait
ecp diff -f tenants

step "A tenant that was lost comes back as it was."
ecp tenants delete seorak-insurance-qa --wait >/dev/null
expect "seorak-insurance-qa created" ecp apply -f tenants --wait
ecp export --dir tenants >/dev/null
git diff --exit-code

step "Its objects, for those who let Argo CD or Flux apply them: the same bytes each time, and no secret in them."
ecp manifest hanbit-card > one.yaml
ecp manifest hanbit-card | diff one.yaml -
