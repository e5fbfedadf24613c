curl -G https://api.terapi.dev/records \
  --header 'Authorization: Bearer ' \
  --header 'Provider-Config-Key: ' \
  --header 'Connection-Id: ' \
  --data-urlencode 'model=' \
  --data-urlencode 'cursor=' \

