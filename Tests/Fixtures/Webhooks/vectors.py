"""Makes vectors.json: for each provider of the catalogue one webhook that is genuine, signed by code of its own.

`published` marks a vector that a vendor or a standard prints with its secret; everything else is computed here, from what
the rules say, by another library than the one under test. Run it again after a change: python3 vectors.py
"""

import base64
import datetime
import hashlib
import hmac
import json
import pathlib
import urllib.parse

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

NOW = 1_767_323_045
BASE = "https://terapi.example/webhook/6a1f/"
vectors = []


def mac(digest, key, *parts):
    key = key if isinstance(key, bytes) else key.encode()
    message = b"".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)
    return hmac.new(key, message, digest)


def b64(data):
    return base64.b64encode(data).decode()


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(header, claims, sign):
    text = f"{b64url(json.dumps(header).encode())}.{b64url(json.dumps(claims).encode())}"
    return f"{text}.{b64url(sign(text.encode()))}"


def add(provider, body, headers, events, *, source="self-computed", settings=None, secret=None, client=None, url=None,
        now=NOW, token=False, status=200, signed=("body",), signature=None, type="application/json", key_set=None,
        mutable=True):
    """`events` are (type, id, [(where, value)]); `signed` are the parts whose change must be noticed."""
    settings = dict(settings or {})
    vectors.append({
        "provider": provider, "source": source, "now": now,
        "client": client or ["client-of-" + provider, "secret-of-" + provider],
        "settings": settings, "registered": secret, "key_set": key_set, "address_token": token,
        "url": url or BASE + provider,
        "headers": [["content-type", type], *headers] if type else headers,
        "body": body,
        "events": [{"type": t, "id": i, "targets": [list(x) for x in targets]} for t, i, targets in events],
        "status": status, "signed": list(signed), "signature": signature, "mutable": mutable,
    })


def dump(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


SECRET = "s3cr3t-of-the-team"
USER = {"webhook_secret": SECRET}


def plain(provider, header, value, body, events, **more):
    """The whole body under one HMAC in one header."""
    add(provider, body, [[header, value], *more.pop("headers", [])], events, signature=f"header:{header}", **more)


# --- Published

plain("github", "x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
      "Hello, World!", [], source="published", settings={"webhook_secret": "It's a Secret to Everybody"},
      headers=[["x-github-event", "push"], ["x-github-delivery", "d-1"]])

slack = ("token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
         "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
         "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
         "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c")
add("slack", slack, [["x-slack-request-timestamp", "1531420618"],
                     ["x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"]], [],
    source="published", settings={"webhook_secret": "8f742231b10e8888abcd99yyyzzz85a5"}, now=1531420618,
    type="application/x-www-form-urlencoded", signed=("body", "header:x-slack-request-timestamp"),
    signature="header:x-slack-signature")

twilio_url = "https://mycompany.com/myapp.php?foo=1&bar=2"
twilio_form = {"CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309",
               "To": "+18005551212"}
twilio = b64(mac("sha1", "12345", twilio_url, "".join(k + v for k, v in sorted(twilio_form.items()))).digest())
assert twilio == "RSOYDt4T1cUTdK1PDd93/VVr8B8=", twilio
add("twilio", urllib.parse.urlencode(twilio_form), [["x-twilio-signature", twilio]],
    [("", None, [])], source="published", settings={"webhook_secret": "12345"}, url=twilio_url,
    type="application/x-www-form-urlencoded", signed=("body", "url"), signature="header:x-twilio-signature")

# Standard Webhooks, the vector of its libraries.
add("gitlab", '{"test": 2432232314}',
    [["webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"], ["webhook-timestamp", "1614265330"],
     ["webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="], ["x-gitlab-event", "Issue Hook"]],
    [("Issue Hook", "msg_p5jXN8AQM9LWM0D4loKWxJek", [])], source="published", now=1614265330,
    secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    signed=("body", "header:webhook-id", "header:webhook-timestamp"), signature="header:webhook-signature")

# --- Self-computed

body = dump({"action": "opened", "installation": {"id": 4711}, "issue": {"id": 7}})
plain("github", "x-hub-signature-256", "sha256=" + mac("sha256", SECRET, body).hexdigest(), body,
      [("issues", "d-2", [("installation_id", "4711")])], settings=USER,
      headers=[["x-github-event", "issues"], ["x-github-delivery", "d-2"]])

body = dump({"object_kind": "issue"})
add("gitlab", body, [["x-gitlab-token", SECRET], ["x-gitlab-event", "Issue Hook"], ["x-gitlab-event-uuid", "u-1"]],
    [("Issue Hook", "u-1", [])], secret=SECRET, signed=(), signature="header:x-gitlab-token")

body = dump({"repository": {"workspace": {"uuid": "{w}"}}})
plain("bitbucket", "x-hub-signature", "sha256=" + mac("sha256", SECRET, body).hexdigest(), body,
      [("repo:push", "r-1", [("workspace_uuid", "{w}")])], settings=USER,
      headers=[["x-event-key", "repo:push"], ["x-request-uuid", "r-1"]])

body = dump({"type": "Issue", "organizationId": "org-1", "webhookTimestamp": NOW * 1000})
plain("linear", "linear-signature", mac("sha256", SECRET, body).hexdigest(), body,
      [("Issue", "l-1", [("organizationId", "org-1")])], settings=USER, headers=[["linear-delivery", "l-1"]])

body = dump({"webhookEvent": "jira:issue_updated", "issue": {"self": "https://acme.atlassian.net/rest/api/2/issue/1"}})
plain("jira", "x-hub-signature", "sha256=" + mac("sha256", SECRET, body).hexdigest(), body,
      [("jira:issue_updated", "j-1", [("baseUrl", "https://acme.atlassian.net")])], settings=USER,
      headers=[["x-atlassian-webhook-identifier", "j-1"]])
token = jwt({"alg": "HS256", "typ": "JWT"}, {"iss": "jira", "exp": NOW + 180},
            lambda text: mac("sha256", "secret-of-jira", text).digest())
add("jira", body, [["authorization", "Bearer " + token]],
    [("jira:issue_updated", None, [("baseUrl", "https://acme.atlassian.net")])], signed=(),
    signature="header:authorization")

body = dump({"event_type": "FILE_UPDATE", "passcode": SECRET, "webhook_id": "22"})
add("figma", body, [], [("FILE_UPDATE", None, [("subscription", "22")])], secret=SECRET, signed=(), mutable=False)

body = dump({"events": [{"action": "changed", "resource": {"gid": "1"}}, {"action": "deleted"}]})
plain("asana", "x-hook-signature", mac("sha256", SECRET, body).hexdigest(), body,
      [("changed", None, []), ("deleted", None, [])], secret=SECRET, token=True)

body = dump({"id": "n-1", "type": "page.updated", "workspace_id": "ws-1"})
plain("notion", "x-notion-signature", "sha256=" + mac("sha256", SECRET, body).hexdigest(), body,
      [("page.updated", "n-1", [("workspace_id", "ws-1")])], secret=SECRET)

body = dump({"event": {"type": "create_pulse", "boardId": 9}})
token = jwt({"alg": "HS256"}, {"accountId": 77, "aud": BASE + "monday", "exp": NOW + 60},
            lambda text: mac("sha256", SECRET, text).digest())
add("monday", body, [["authorization", token]],
    [("create_pulse", None, [("account_id", "77"), ("board_id", "9")])], settings=USER, signed=(),
    signature="header:authorization")

body = dump({"event": "taskUpdated", "webhook_id": "wh-1", "task_id": "t"})
plain("clickup", "x-signature", mac("sha256", SECRET, body).hexdigest(), body,
      [("taskUpdated", None, [("subscription", "wh-1")])], secret=SECRET)

body = dump({"action": {"type": "updateCard", "id": "a-1"}, "model": {"id": "m-1"}, "webhook": {"id": "w-1"}})
plain("trello", "x-trello-webhook", b64(mac("sha1", "secret-of-trello", body, BASE + "trello").digest()), body,
      [("updateCard", "a-1", [("subscription", "w-1"), ("model_id", "m-1")])], signed=("body", "url"))

body = dump({"base": {"id": "b"}, "webhook": {"id": "ach1"}, "timestamp": "2026-01-02T03:04:05.000Z"})
plain("airtable", "x-airtable-content-mac",
      "hmac-sha256=" + mac("sha256", SECRET, body).hexdigest(), body, [("", None, [("subscription", "ach1")])],
      secret=b64(SECRET.encode()))

stamp = "2026-01-02T03:04:05Z"
body = dump({"type": "zen:event-type:ticket.created", "id": "z-1", "account_id": 12})
plain("zendesk", "x-zendesk-webhook-signature", b64(mac("sha256", SECRET, stamp, body).digest()), body,
      [("zen:event-type:ticket.created", "z-1", [("account_id", "12")])], settings=USER,
      headers=[["x-zendesk-webhook-signature-timestamp", stamp]],
      signed=("body", "header:x-zendesk-webhook-signature-timestamp"))

body = dump({"event": "ticket_updated", "ticket_id": 3})
add("freshdesk", body, [["x-terapi-token", SECRET]], [("ticket_updated", None, [])], secret=SECRET, signed=(),
    signature="header:x-terapi-token")

body = dump({"type": "event_callback", "team_id": "T1", "event_id": "Ev1", "event": {"type": "message"}})
plain("slack", "x-slack-signature", "v0=" + mac("sha256", SECRET, f"v0:{NOW}:", body).hexdigest(), body,
      [("message", "Ev1", [("team.id", "T1")])], settings=USER, headers=[["x-slack-request-timestamp", str(NOW)]],
      signed=("body", "header:x-slack-request-timestamp"))

key = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"terapi ed25519 test").digest())
public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()
body = dump({"type": 1, "event": {"type": "APPLICATION_AUTHORIZED", "data": {"guild": {"id": "g-1"}}}})
plain("discord", "x-signature-ed25519", key.sign(f"{NOW}{body}".encode()).hex(), body,
      [("APPLICATION_AUTHORIZED", None, [("guild_id", "g-1")])], settings={"webhook_secret": public},
      headers=[["x-signature-timestamp", str(NOW)]], signed=("body", "header:x-signature-timestamp"), status=204)

body = dump({"topic": "contact.created", "id": "i-1", "app_id": "app-1"})
plain("intercom", "x-hub-signature", "sha1=" + mac("sha1", "secret-of-intercom", body).hexdigest(), body,
      [("contact.created", "i-1", [("app_id", "app-1")])])

body = dump({"type": "message", "id": "m-1", "channelData": {"tenant": {"id": "te-1"}}})
plain("microsoft-teams", "authorization", "HMAC " + b64(mac("sha256", SECRET, body).digest()), body,
      [("message", "m-1", [("tenantId", "te-1")])], settings={"webhook_secret": b64(SECRET.encode())})

body = dump({"event": "meeting.ended", "payload": {"account_id": "acc-1"}})
plain("zoom", "x-zm-signature", "v0=" + mac("sha256", SECRET, f"v0:{NOW}:", body).hexdigest(), body,
      [("meeting.ended", None, [("account_id", "acc-1")])], settings=USER,
      headers=[["x-zm-request-timestamp", str(NOW)]], signed=("body", "header:x-zm-request-timestamp"))

private = ec.derive_private_key(int.from_bytes(hashlib.sha256(b"terapi ecdsa test").digest(), "big"), ec.SECP256R1())
public = b64(private.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
body = dump([{"event": "delivered", "sg_event_id": "sg-1"}, {"event": "open", "sg_event_id": "sg-2"}])
plain("sendgrid", "x-twilio-email-event-webhook-signature",
      b64(private.sign(f"{NOW}{body}".encode(), ec.ECDSA(hashes.SHA256()))), body,
      [("delivered", "sg-1", []), ("open", "sg-2", [])], settings={"webhook_secret": public},
      headers=[["x-twilio-email-event-webhook-timestamp", str(NOW)]],
      signed=("body", "header:x-twilio-email-event-webhook-timestamp"))

body = dump([{"eventId": 1, "subscriptionType": "contact.creation", "portalId": 62},
             {"eventId": 2, "subscriptionType": "deal.creation", "portalId": 62}])
hubspot = [("contact.creation", "62.1", [("portalId", "62")]), ("deal.creation", "62.2", [("portalId", "62")])]
plain("hubspot", "x-hubspot-signature-v3",
      b64(mac("sha256", "secret-of-hubspot", "POST", BASE + "hubspot", body, NOW * 1000).digest()), body, hubspot,
      headers=[["x-hubspot-request-timestamp", str(NOW * 1000)]],
      signed=("body", "url", "method", "header:x-hubspot-request-timestamp"))
plain("hubspot", "x-hubspot-signature", hashlib.sha256(("secret-of-hubspot" + body).encode()).hexdigest(), body, hubspot)

body = dump({"meta": {"id": "p-1", "action": "create", "entity": "deal", "company_id": 5}})
add("pipedrive", body, [["authorization", "Basic " + b64(b"terapi:" + SECRET.encode())]],
    [("create.deal", "p-1", [("company_id", "5")])], settings={"webhook_secret": "terapi:" + SECRET}, signed=(),
    signature="header:authorization")

body = '{"id":"evt_1"}'
add("stripe", body, [["stripe-signature",
                      "t=1700000000,v1=248a374f50f943a28b0f6ab50faf9a7e7e29b710fa26df9fb1618b9bf8ea9c9a"]],
    [("", "evt_1", [])], settings={"webhook_secret": "whsec_test_secret"}, now=1700000000,
    signature="header:stripe-signature")

body = dump({"id": 820982911946154500})
plain("shopify", "x-shopify-hmac-sha256", b64(mac("sha256", "secret-of-shopify", body).digest()), body,
      [("orders/create", "sh-1", [("subdomain", "acme")])],
      headers=[["x-shopify-topic", "orders/create"], ["x-shopify-webhook-id", "sh-1"],
               ["x-shopify-shop-domain", "acme.myshopify.com"]])

body = dump({"type": "payment.updated", "event_id": "sq-1", "merchant_id": "M1"})
plain("square", "x-square-hmacsha256-signature", b64(mac("sha256", SECRET, BASE + "square", body).digest()), body,
      [("payment.updated", "sq-1", [("merchant_id", "M1")])], settings=USER, signed=("body", "url"))

body = dump([{"type": "qbo.invoice.created.v1", "id": "ce-1", "intuitaccountid": "310"}])
plain("quickbooks", "intuit-signature", b64(mac("sha256", SECRET, body).digest()), body,
      [("qbo.invoice.created.v1", "ce-1", [("realmId", "310")])], settings=USER)
body = dump({"eventNotifications": [{"realmId": "310", "dataChangeEvent": {"entities": [{"operation": "Update"}]}}]})
plain("quickbooks", "intuit-signature", b64(mac("sha256", SECRET, body).digest()), body,
      [("Update", None, [("realmId", "310")])], settings=USER)

body = dump({"events": [{"eventCategory": "INVOICE", "eventType": "UPDATE", "tenantId": "t-1"}]})
plain("xero", "x-xero-signature", b64(mac("sha256", SECRET, body).digest()), body,
      [("INVOICE.UPDATE", None, [("tenantId", "t-1")])], settings=USER)

body = dump({"event_type": "form_response", "event_id": "tf-1", "form_response": {"form_id": "f-1"}})
plain("typeform", "typeform-signature", "sha256=" + b64(mac("sha256", SECRET, body).digest()), body,
      [("form_response", "tf-1", [("form_id", "f-1")])], settings=USER)

body = dump({"event": "invitee.created", "created_by": "https://api.calendly.com/users/A"})
plain("calendly", "calendly-webhook-signature", f"t={NOW},v1=" + mac("sha256", SECRET, f"{NOW}.", body).hexdigest(),
      body, [("invitee.created", None, [("owner", "https://api.calendly.com/users/A")])], settings=USER)

add("mailchimp", urllib.parse.urlencode({"type": "subscribe", "data[list_id]": "L1"}), [],
    [("subscribe", None, [("list_id", "L1")])], token=True, type="application/x-www-form-urlencoded", signed=(),
    signature="address")

# Made once: a fresh key would change the file at every run.
RSA_PEM = pathlib.Path(__file__).with_name("rsa-test-key.pem")
if not RSA_PEM.exists():
    RSA_PEM.write_bytes(rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
rsa_key = serialization.load_pem_private_key(RSA_PEM.read_bytes(), None)
numbers = rsa_key.public_key().public_numbers()
key_set = {"keys": [{"kty": "RSA", "kid": "k1", "alg": "RS256",
                     "n": b64url(numbers.n.to_bytes(256, "big")), "e": b64url(numbers.e.to_bytes(3, "big"))}]}
inner = dump({"emailAddress": "ada@example.org", "historyId": 9})
body = dump({"message": {"data": b64(inner.encode()), "messageId": "gm-1"}, "subscription": "s"})
token = jwt({"alg": "RS256", "kid": "k1"},
            {"iss": "https://accounts.google.com", "aud": BASE + "google-mail", "exp": NOW + 600,
             "email": "push@project.iam.example", "email_verified": True},
            lambda text: rsa_key.sign(text, padding.PKCS1v15(), hashes.SHA256()))
add("google-mail", body, [["authorization", "Bearer " + token]],
    [("message", "gm-1", [("emailAddressHash", hashlib.sha256(b"ada@example.org").hexdigest()),
                          ("emailAddress", "ada@example.org")])],
    settings={"webhook_account": "push@project.iam.example"}, key_set=key_set, signed=("url",),
    signature="header:authorization")

for name in ("google-calendar", "google-drive"):
    add(name, "", [["x-goog-channel-token", SECRET], ["x-goog-channel-id", "c-1"], ["x-goog-message-number", "3"],
                   ["x-goog-resource-state", "exists"]], [("exists", "c-1.3", [])], secret=SECRET, token=True, type=None,
        signed=(), signature="header:x-goog-channel-token")

body = dump({"value": [{"subscriptionId": "sub-1", "changeType": "updated", "clientState": SECRET, "tenantId": "t-1"}]})
add("microsoft-graph", body, [], [("updated", None, [("subscription", "sub-1"), ("tenantId", "t-1")])], secret=SECRET,
    status=202, signed=(), mutable=False)

body = dump({"list_folder": {"accounts": ["dbid:A", "dbid:B"]}})
plain("dropbox", "x-dropbox-signature", mac("sha256", "secret-of-dropbox", body).hexdigest(), body,
      [("list_folder", None, [("account_id", "dbid:A")]), ("list_folder", None, [("account_id", "dbid:B")])])

stamp = "2026-01-02T03:00:05-00:00".replace("-00:00", "+00:00")
body = dump({"trigger": "FILE.UPLOADED", "id": "bx-1", "webhook": {"id": "w-1"}})
for place, secret in (("primary", SECRET), ("secondary", "the-other")):
    plain("box", f"box-signature-{place}", b64(mac("sha256", secret, body, stamp).digest()), body,
          [("FILE.UPLOADED", "bx-1", [("subscription", "w-1")])],
          settings={"webhook_secret": SECRET, "webhook_secret_2": "the-other"},
          headers=[["box-delivery-timestamp", stamp]], signed=("body", "header:box-delivery-timestamp"))

body = dump({"employees": [{"id": "1", "action": "Updated"}]})
plain("bamboohr", "x-bamboohr-signature", mac("sha256", SECRET, body, str(NOW)).hexdigest(), body,
      [("Updated", None, [])], secret=SECRET, token=True, headers=[["x-bamboohr-timestamp", str(NOW)]],
      signed=("body", "header:x-bamboohr-timestamp"))

body = dump({"action": "candidate_stage_change"})
plain("greenhouse", "signature", "sha256 " + mac("sha256", SECRET, body).hexdigest(), body,
      [("candidate_stage_change", None, [])], secret=SECRET)

fields = {"id": "lv-1", "event": "candidateHired", "token": "tok", "triggeredAt": NOW * 1000}
fields["signature"] = mac("sha256", SECRET, "tok", NOW * 1000).hexdigest()
add("lever", dump(fields), [], [("candidateHired", "lv-1", [])], secret=SECRET, signed=(), mutable=False)

body = dump({"event_type": "candidate_created", "id": "wk-1", "account": {"subdomain": "acme"}})
plain("workable", "x-workable-signature", mac("sha256", SECRET, body).hexdigest(), body,
      [("candidate_created", "wk-1", [("subdomain", "acme")])], settings=USER)

body = dump([{"data": {"dataType": "steps", "operation": "UPSERT", "healthUserId": "h-1", "intervals": [
    {"physicalTimeInterval": {"startTime": "2026-01-01T00:00:00Z", "endTime": "2026-01-02T00:00:00Z"}}]}}])
add("google-health", body, [["authorization", "Bearer " + SECRET]], [("steps.UPSERT", None, [("user_id", "h-1")])],
    settings=USER, signed=(), signature="header:authorization")

body = dump([{"collectionType": "sleep", "ownerId": "F1"}])
plain("fitbit", "x-fitbit-signature", b64(mac("sha1", "secret-of-fitbit&", body).digest()), body,
      [("sleep", None, [("user_id", "F1")])], status=204)

body = dump({"object_type": "activity", "aspect_type": "create", "owner_id": 134815, "object_id": 1})
plain("strava", "x-strava-signature", f"t={NOW},v1=" + mac("sha256", "secret-of-strava", f"{NOW}.", body).hexdigest(),
      body, [("activity.create", None, [("athlete.id", "134815")])])

add("withings", urllib.parse.urlencode({"userid": 12, "appli": 44, "startdate": NOW - 60, "enddate": NOW}), [],
    [("44", None, [("body.userid", "12")])], token=True, type="application/x-www-form-urlencoded", signed=(),
    signature="address")

body = dump({"event_type": "update", "data_type": "sleep", "object_id": "o-1", "user_id": "u-1"})
plain("oura", "x-oura-signature", mac("sha256", "secret-of-oura", str(NOW), body).hexdigest().upper(), body,
      [("sleep.update", None, [("user_id", "u-1")])], headers=[["x-oura-timestamp", str(NOW)]],
      signed=("body", "header:x-oura-timestamp"))

body = dump({"user_id": 10129, "id": "w-1", "type": "workout.updated", "trace_id": "tr-1"})
plain("whoop", "x-whoop-signature", b64(mac("sha256", "secret-of-whoop", NOW * 1000, body).digest()), body,
      [("workout.updated", "tr-1", [("user_id", "10129")])],
      headers=[["x-whoop-signature-timestamp", str(NOW * 1000)]],
      signed=("body", "header:x-whoop-signature-timestamp"))

body = dump({"dailies": [{"userId": "g-1", "callbackURL": "https://apis.garmin.com/x"}], "deregistrations": [
    {"userId": "g-2"}]})
add("garmin", body, [["garmin-client-id", "client-of-garmin"]],
    [("dailies", None, [("user_id", "g-1")]), ("deregistrations", None, [("user_id", "g-2")])], token=True, signed=(),
    signature="header:garmin-client-id")

body = dump({"event": "EXERCISE", "user_id": 475, "url": "https://www.polaraccesslink.com/v3/exercises/1"})
plain("polar", "polar-webhook-signature", mac("sha256", SECRET, body).hexdigest(), body,
      [("EXERCISE", None, [("x_user_id", "475")])], secret=SECRET)

body = dump({"type": "WORKOUT_CREATED", "username": "ada"})
plain("suunto", "x-hmac-sha256-signature", mac("sha256", SECRET, body).hexdigest(), body,
      [("WORKOUT_CREATED", None, [("user_id", "ada")])], settings=USER)

body = dump({"for_user_id": "2244994945", "tweet_create_events": []})
plain("twitter-x", "x-twitter-webhooks-signature",
      "sha256=" + b64(mac("sha256", "secret-of-twitter-x", body).digest()), body,
      [("activity", None, [("user_id", "2244994945")])])

body = dump({"object": "page", "entry": [{"id": "p-1", "changes": [{"field": "feed"}]}]})
plain("facebook", "x-hub-signature-256", "sha256=" + mac("sha256", "secret-of-facebook", body).hexdigest(), body,
      [("page.feed", None, [("page_id", "p-1")])])

body = dump({"type": "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS",
             "notifications": [{"organizationalEntity": "urn:li:organization:1"}]})
plain("linkedin", "x-li-signature", mac("sha256", "secret-of-linkedin", "hmacsha256=", body).hexdigest(), body,
      [("ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS", None, [("organization", "urn:li:organization:1")])])

body = dump({"event": "video.publish.complete", "user_openid": "tt-1", "content": dump({"share_id": "v"})})
plain("tiktok", "tiktok-signature", f"t={NOW},s=" + mac("sha256", "secret-of-tiktok", f"{NOW}.", body).hexdigest(), body,
      [("video.publish.complete", None, [("open_id", "tt-1")])])

out = pathlib.Path(__file__).with_name("vectors.json")
out.write_text("[\n" + ",\n".join(json.dumps(vector, ensure_ascii=False) for vector in vectors) + "\n]\n")
names = {vector["provider"] for vector in vectors}
print(f"{len(vectors)} vectors of {len(names)} providers, {sum(v['source'] == 'published' for v in vectors)} published")
