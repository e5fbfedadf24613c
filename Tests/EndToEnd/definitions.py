"""The provider files and syncs that the journeys use, as a person would write them."""

import pathlib
import textwrap


def write(folder, path, text):
    file = pathlib.Path(folder) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text).lstrip("\n"))


def sandbox_provider(folder, base):
    write(folder, "sandbox-local.yaml", f"""
        display_name: Sandbox
        categories: [ticketing]
        docs: https://sandbox.example/docs
        auth_mode: OAUTH2
        authorization_url: {base}/oauth/authorize
        token_url: {base}/oauth/token
        authorization_params:
            response_type: code
        token_params:
            grant_type: authorization_code
        refresh_params:
            grant_type: refresh_token
        default_scopes: [tickets:read]
        rotation: strict
        proxy:
            base_url: {base}
        """)


def sandbox_sync(folder, integration="sandbox", name="tickets"):
    write(folder, f"{integration}/syncs/{name}.yaml", """
        description: Tickets of the sandbox
        model: ticket
        frequency: every hour
        request:
            endpoint: /api/tickets
            params: { per_page: 100, include_deleted: "true", updated_since: "${checkpoint.since}" }
            paginate: { type: link, rel: next, response_path: tickets }
        checkpoint: { since: max(item.updated_at), order: ascending }
        deleted: item.deleted
        map:
            id: String(item.id)
            title: item.subject
            description: item.description
            status: item.status
            updated_at: item.updated_at
        """)


def sandbox_full_sync(folder, integration="sandbox", name="all-tickets"):
    """Reads everything at each run and finds deletions by what is no longer there."""
    write(folder, f"{integration}/syncs/{name}.yaml", """
        description: All tickets of the sandbox
        model: ticket
        frequency: every hour
        request:
            endpoint: /api/tickets
            params: { per_page: 100 }
            retries: 1
            paginate: { type: link, rel: next, response_path: tickets }
        track_deletes: true
        map:
            id: String(item.id)
            title: item.subject
            description: item.description
            status: item.status
            updated_at: item.updated_at
        """)


def oauth_dot_provider(folder, facts, api):
    write(folder, "dot.yaml", f"""
        display_name: Loopback OAuth
        categories: [testing]
        docs: https://example.test/docs
        auth_mode: OAUTH2
        authorization_url: {facts["authorization_url"]}
        token_url: {facts["token_url"]}
        authorization_params:
            response_type: code
        token_params:
            grant_type: authorization_code
        refresh_params:
            grant_type: refresh_token
        default_scopes: [openid, read]
        rotation: strict
        proxy:
            base_url: {api}
        """)


def kinto_sync(folder, integration="kinto"):
    write(folder, f"{integration}/syncs/contacts.yaml", """
        description: Contacts of the store
        model: contact
        frequency: every hour
        request:
            endpoint: /buckets/crm/collections/contacts/records
            params: { _sort: last_modified, _limit: 100, _since: "${checkpoint.since}" }
            paginate: { type: link, header: next-page, response_path: data }
        checkpoint: { since: max(item.last_modified), order: ascending }
        deleted: item.deleted
        map:
            id: item.id
            name: item.name
            email: item.email
            rank: item.rank
        """)


def basic_provider(folder, name, base):
    write(folder, f"{name}.yaml", f"""
        display_name: {name}
        categories: [testing]
        docs: https://example.test/docs
        auth_mode: BASIC
        proxy:
            base_url: {base}
            headers:
                authorization: Basic ${{base64(${{username}}:${{password}})}}
        """)
