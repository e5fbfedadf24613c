public import TerapiCore

/// The scripts that are built into the binary, in the order of providers and names.
public enum ShippedTemplates {
    public static let all: [ShippedScript] = [
        shipped(
            "dropbox", .action, "create-folder", .javaScript, PackageResources.dropbox_actions_create_folder_js,
            test: PackageResources.dropbox_tests_create_folder_test_json),
        shipped(
            "dropbox", .sync, "files", .javaScript, PackageResources.dropbox_syncs_files_js,
            test: PackageResources.dropbox_tests_files_test_json),
        shipped(
            "github", .action, "create-comment", .javaScript, PackageResources.github_actions_create_comment_js,
            test: PackageResources.github_tests_create_comment_test_json),
        shipped(
            "github", .action, "create-issue", .javaScript, PackageResources.github_actions_create_issue_js,
            test: PackageResources.github_tests_create_issue_test_json),
        shipped(
            "github", .sync, "comments", .yaml, PackageResources.github_syncs_comments_yaml,
            test: PackageResources.github_tests_comments_test_json),
        shipped(
            "github", .sync, "issues", .yaml, PackageResources.github_syncs_issues_yaml,
            test: PackageResources.github_tests_issues_test_json),
        shipped(
            "gitlab", .action, "create-comment", .javaScript, PackageResources.gitlab_actions_create_comment_js,
            test: PackageResources.gitlab_tests_create_comment_test_json),
        shipped(
            "gitlab", .action, "create-issue", .javaScript, PackageResources.gitlab_actions_create_issue_js,
            test: PackageResources.gitlab_tests_create_issue_test_json),
        shipped(
            "gitlab", .sync, "issues", .yaml, PackageResources.gitlab_syncs_issues_yaml,
            test: PackageResources.gitlab_tests_issues_test_json),
        shipped(
            "google-calendar", .action, "create-event", .javaScript,
            PackageResources.google_calendar_actions_create_event_js,
            test: PackageResources.google_calendar_tests_create_event_test_json),
        shipped(
            "google-calendar", .sync, "events", .javaScript, PackageResources.google_calendar_syncs_events_js,
            test: PackageResources.google_calendar_tests_events_test_json),
        shipped(
            "google-drive", .action, "create-folder", .javaScript,
            PackageResources.google_drive_actions_create_folder_js,
            test: PackageResources.google_drive_tests_create_folder_test_json),
        shipped(
            "google-drive", .sync, "files", .yaml, PackageResources.google_drive_syncs_files_yaml,
            test: PackageResources.google_drive_tests_files_test_json),
        shipped(
            "google-health", .sync, "activities", .yaml, PackageResources.google_health_syncs_activities_yaml,
            test: PackageResources.google_health_tests_activities_test_json),
        shipped(
            "google-health", .sync, "sleep", .yaml, PackageResources.google_health_syncs_sleep_yaml,
            test: PackageResources.google_health_tests_sleep_test_json),
        shipped(
            "hubspot", .action, "create-contact", .javaScript, PackageResources.hubspot_actions_create_contact_js,
            test: PackageResources.hubspot_tests_create_contact_test_json),
        shipped(
            "hubspot", .sync, "companies", .javaScript, PackageResources.hubspot_syncs_companies_js,
            test: PackageResources.hubspot_tests_companies_test_json),
        shipped(
            "hubspot", .sync, "contacts", .javaScript, PackageResources.hubspot_syncs_contacts_js,
            test: PackageResources.hubspot_tests_contacts_test_json),
        shipped(
            "intercom", .action, "create-contact", .javaScript, PackageResources.intercom_actions_create_contact_js,
            test: PackageResources.intercom_tests_create_contact_test_json),
        shipped(
            "intercom", .sync, "contacts", .yaml, PackageResources.intercom_syncs_contacts_yaml,
            test: PackageResources.intercom_tests_contacts_test_json),
        shipped(
            "intercom", .sync, "tickets", .yaml, PackageResources.intercom_syncs_tickets_yaml,
            test: PackageResources.intercom_tests_tickets_test_json),
        shipped(
            "jira", .action, "create-comment", .javaScript, PackageResources.jira_actions_create_comment_js,
            test: PackageResources.jira_tests_create_comment_test_json),
        shipped(
            "jira", .action, "create-issue", .javaScript, PackageResources.jira_actions_create_issue_js,
            test: PackageResources.jira_tests_create_issue_test_json),
        shipped(
            "jira", .sync, "issues", .javaScript, PackageResources.jira_syncs_issues_js,
            test: PackageResources.jira_tests_issues_test_json),
        shipped(
            "linear", .action, "create-comment", .javaScript, PackageResources.linear_actions_create_comment_js,
            test: PackageResources.linear_tests_create_comment_test_json),
        shipped(
            "linear", .action, "create-issue", .javaScript, PackageResources.linear_actions_create_issue_js,
            test: PackageResources.linear_tests_create_issue_test_json),
        shipped(
            "linear", .sync, "issues", .yaml, PackageResources.linear_syncs_issues_yaml,
            test: PackageResources.linear_tests_issues_test_json),
        shipped(
            "microsoft-graph", .action, "create-event", .javaScript,
            PackageResources.microsoft_graph_actions_create_event_js,
            test: PackageResources.microsoft_graph_tests_create_event_test_json),
        shipped(
            "microsoft-graph", .sync, "events", .javaScript, PackageResources.microsoft_graph_syncs_events_js,
            test: PackageResources.microsoft_graph_tests_events_test_json),
        shipped(
            "oura", .sync, "activities", .yaml, PackageResources.oura_syncs_activities_yaml,
            test: PackageResources.oura_tests_activities_test_json),
        shipped(
            "oura", .sync, "daily", .yaml, PackageResources.oura_syncs_daily_yaml,
            test: PackageResources.oura_tests_daily_test_json),
        shipped(
            "oura", .sync, "sleep", .yaml, PackageResources.oura_syncs_sleep_yaml,
            test: PackageResources.oura_tests_sleep_test_json),
        shipped(
            "pipedrive", .action, "create-contact", .javaScript, PackageResources.pipedrive_actions_create_contact_js,
            test: PackageResources.pipedrive_tests_create_contact_test_json),
        shipped(
            "pipedrive", .sync, "companies", .yaml, PackageResources.pipedrive_syncs_companies_yaml,
            test: PackageResources.pipedrive_tests_companies_test_json),
        shipped(
            "pipedrive", .sync, "contacts", .yaml, PackageResources.pipedrive_syncs_contacts_yaml,
            test: PackageResources.pipedrive_tests_contacts_test_json),
        shipped(
            "strava", .action, "create-activity", .javaScript, PackageResources.strava_actions_create_activity_js,
            test: PackageResources.strava_tests_create_activity_test_json),
        shipped(
            "strava", .sync, "activities", .yaml, PackageResources.strava_syncs_activities_yaml,
            test: PackageResources.strava_tests_activities_test_json),
        shipped(
            "strava", .sync, "body", .javaScript, PackageResources.strava_syncs_body_js,
            test: PackageResources.strava_tests_body_test_json),
        shipped(
            "whoop", .sync, "activities", .yaml, PackageResources.whoop_syncs_activities_yaml,
            test: PackageResources.whoop_tests_activities_test_json),
        shipped(
            "whoop", .sync, "sleep", .yaml, PackageResources.whoop_syncs_sleep_yaml,
            test: PackageResources.whoop_tests_sleep_test_json),
        shipped(
            "withings", .sync, "body", .javaScript, PackageResources.withings_syncs_body_js,
            test: PackageResources.withings_tests_body_test_json),
        shipped(
            "withings", .sync, "daily", .javaScript, PackageResources.withings_syncs_daily_js,
            test: PackageResources.withings_tests_daily_test_json),
        shipped(
            "withings", .sync, "sleep", .javaScript, PackageResources.withings_syncs_sleep_js,
            test: PackageResources.withings_tests_sleep_test_json),
        shipped(
            "zendesk", .action, "create-comment", .javaScript, PackageResources.zendesk_actions_create_comment_js,
            test: PackageResources.zendesk_tests_create_comment_test_json),
        shipped(
            "zendesk", .action, "create-ticket", .javaScript, PackageResources.zendesk_actions_create_ticket_js,
            test: PackageResources.zendesk_tests_create_ticket_test_json),
        shipped(
            "zendesk", .sync, "comments", .javaScript, PackageResources.zendesk_syncs_comments_js,
            test: PackageResources.zendesk_tests_comments_test_json),
        shipped(
            "zendesk", .sync, "contacts", .javaScript, PackageResources.zendesk_syncs_contacts_js,
            test: PackageResources.zendesk_tests_contacts_test_json),
        shipped(
            "zendesk", .sync, "ticket", .javaScript, PackageResources.zendesk_syncs_ticket_js,
            test: PackageResources.zendesk_tests_ticket_test_json),
    ]

    /// - Parameter name: a provider and one of its templates: `github/issues`.
    /// - Returns: several when a sync and an action have the same name.
    public static func named(_ name: String) -> [ShippedScript] {
        all.filter { "\($0.provider)/\($0.name)" == name }
    }

    private static func shipped(
        _ provider: String,
        _ kind: ScriptInvocation.Kind,
        _ name: String,
        _ language: ScriptLanguage,
        _ text: [UInt8],
        test: [UInt8]
    ) -> ShippedScript {
        ShippedScript(
            provider: provider,
            kind: kind,
            name: name,
            language: language,
            text: String(decoding: text, as: UTF8.self),
            test: String(decoding: test, as: UTF8.self)
        )
    }
}
