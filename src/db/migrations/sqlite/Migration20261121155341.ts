import { Migration } from '@mikro-orm/migrations';

export class Migration20261121155341 extends Migration {
  override name = 'Migration20261121155341';

  override up(): void | Promise<void> {
    this.addSql(
      `create table \`allowed_addresses\` (\`id\` text not null primary key, \`cidr\` text not null, \`label\` text null, \`created_at\` datetime not null, \`organization_id\` text not null);`,
    );
    this.addSql(
      `create unique index \`allowed_addresses_organization_id_cidr_unique\` on \`allowed_addresses\` (\`organization_id\`, \`cidr\`);`,
    );
    this.addSql(
      `create unique index \`allowed_addresses_organization_id_id_unique\` on \`allowed_addresses\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`api_keys\` (\`id\` text not null primary key, \`name\` text not null, \`scopes\` json not null, \`doors\` json not null, \`bound_organization_id\` text null, \`member_id\` text null, \`ip_allowlist\` json not null, \`expires_at\` datetime null, \`secret_hash\` text not null, \`previous_secret_hash\` text null, \`previous_valid_until\` datetime null, \`status\` text not null, \`last_used_at\` datetime null, \`created_at\` datetime not null, \`created_by_key_id\` text null, \`organization_id\` text not null);`,
    );
    this.addSql(`create unique index \`api_keys_secret_hash_unique\` on \`api_keys\` (\`secret_hash\`);`);
    this.addSql(
      `create unique index \`api_keys_previous_secret_hash_unique\` on \`api_keys\` (\`previous_secret_hash\`);`,
    );
    this.addSql(
      `create index \`api_keys_organization_id_status_index\` on \`api_keys\` (\`organization_id\`, \`status\`);`,
    );
    this.addSql(
      `create unique index \`api_keys_organization_id_id_unique\` on \`api_keys\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`approval_decisions\` (\`id\` text not null primary key, \`authorization_request_id\` text not null, \`webhook_id\` text not null, \`decision\` text not null, \`customer_approval_id\` text null, \`approver_key\` text not null, \`thumbprint\` text null, \`signature\` text null, \`reason\` text null, \`received_at\` datetime not null, \`organization_id\` text not null);`,
    );
    this.addSql(
      `create unique index \`approval_decisions_organization_id_authorization_request_id_approver_key_unique\` on \`approval_decisions\` (\`organization_id\`, \`authorization_request_id\`, \`approver_key\`);`,
    );
    this.addSql(
      `create unique index \`approval_decisions_organization_id_id_unique\` on \`approval_decisions\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`approval_settings\` (\`id\` text not null primary key, \`sensitive_operations\` json not null, \`quorum\` bigint not null, \`window_seconds\` bigint null, \`private_cidrs\` json not null, \`organization_id\` text not null);`,
    );
    this.addSql(
      `create unique index \`approval_settings_organization_id_unique\` on \`approval_settings\` (\`organization_id\`);`,
    );
    this.addSql(
      `create unique index \`approval_settings_organization_id_id_unique\` on \`approval_settings\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`approval_webhooks\` (\`id\` text not null primary key, \`url\` text not null, \`created_at\` datetime not null, \`organization_id\` text not null);`,
    );
    this.addSql(
      `create unique index \`approval_webhooks_organization_id_url_unique\` on \`approval_webhooks\` (\`organization_id\`, \`url\`);`,
    );
    this.addSql(
      `create unique index \`approval_webhooks_organization_id_id_unique\` on \`approval_webhooks\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`audit_checkpoints\` (\`id\` text not null primary key, \`sequence\` bigint not null, \`hash\` text not null, \`signed_at\` datetime not null, \`statement\` mediumtext not null, \`signature\` mediumtext not null, \`organization_id\` text not null);`,
    );
    this.addSql(
      `create unique index \`audit_checkpoints_organization_id_id_unique\` on \`audit_checkpoints\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`audit_events\` (\`id\` text not null primary key, \`occurred_at\` datetime not null, \`request_id\` text null, \`operation\` text not null, \`door\` text not null, \`outcome\` text not null, \`code\` text null, \`actor_kind\` text not null, \`actor_id\` text not null, \`certificate_thumbprint\` text null, \`signer_thumbprint\` text null, \`address\` text null, \`target\` text null, \`authorization_request_id\` text null, \`customer_approval_ids\` json not null, \`detail\` json not null, \`chained\` integer not null, \`organization_id\` text not null);`,
    );
    this.addSql(
      `create index \`audit_events_chained_organization_id_index\` on \`audit_events\` (\`chained\`, \`organization_id\`);`,
    );
    this.addSql(
      `create index \`audit_events_organization_id_operation_id_index\` on \`audit_events\` (\`organization_id\`, \`operation\`, \`id\`);`,
    );
    this.addSql(
      `create unique index \`audit_events_organization_id_id_unique\` on \`audit_events\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`audit_heads\` (\`organization\` text not null primary key, \`sequence\` bigint not null, \`hash\` text not null, \`checkpoint_sequence\` bigint not null, \`checkpoint_at\` datetime not null, \`signed\` integer not null);`,
    );

    this.addSql(
      `create table \`audit_links\` (\`id\` text not null primary key, \`sequence\` bigint not null, \`hash\` text not null, \`organization_id\` text not null);`,
    );
    this.addSql(
      `create unique index \`audit_links_organization_id_sequence_unique\` on \`audit_links\` (\`organization_id\`, \`sequence\`);`,
    );
    this.addSql(
      `create unique index \`audit_links_organization_id_id_unique\` on \`audit_links\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`authorization_requests\` (\`id\` text not null primary key, \`operation\` text not null, \`state\` text not null, \`key_id\` text not null, \`approver_organization_id\` text not null, \`requesting_ip\` text not null, \`method\` text not null, \`path\` text not null, \`digest\` text not null, \`authorization\` mediumblob not null, \`input_blob\` text not null, \`caller\` mediumtext not null, \`quorum\` bigint not null, \`requested_at\` datetime not null, \`expires_at\` datetime not null, \`decided_at\` datetime null, \`customer_approval_ids\` json not null, \`finished_at\` datetime null, \`reason\` text null, \`outcome\` mediumblob null, \`unread\` integer not null, \`organization_id\` text not null);`,
    );
    this.addSql(
      `create index \`authorization_requests_organization_id_state_index\` on \`authorization_requests\` (\`organization_id\`, \`state\`);`,
    );
    this.addSql(
      `create index \`authorization_requests_key_id_state_index\` on \`authorization_requests\` (\`key_id\`, \`state\`);`,
    );
    this.addSql(
      `create unique index \`authorization_requests_organization_id_id_unique\` on \`authorization_requests\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`blobs\` (\`id\` text not null primary key, \`owner_id\` text null, \`size\` bigint not null, \`chunks\` bigint not null, \`created_at\` datetime not null, \`organization_id\` text not null);`,
    );
    this.addSql(
      `create index \`blobs_organization_id_owner_id_index\` on \`blobs\` (\`organization_id\`, \`owner_id\`);`,
    );
    this.addSql(`create index \`blobs_owner_id_created_at_index\` on \`blobs\` (\`owner_id\`, \`created_at\`);`);
    this.addSql(`create unique index \`blobs_organization_id_id_unique\` on \`blobs\` (\`organization_id\`, \`id\`);`);

    this.addSql(
      `create table \`blob_chunks\` (\`id\` text not null primary key, \`blob_id\` text not null, \`number\` bigint not null, \`data\` mediumblob not null, \`organization_id\` text not null, constraint \`blob_chunks_organization_id_blob_id_foreign\` foreign key (\`organization_id\`, \`blob_id\`) references \`blobs\` (\`organization_id\`, \`id\`));`,
    );
    this.addSql(
      `create unique index \`blob_chunks_organization_id_id_unique\` on \`blob_chunks\` (\`organization_id\`, \`id\`);`,
    );
    this.addSql(
      `create index \`blob_chunks_organization_id_blob_id_index\` on \`blob_chunks\` (\`organization_id\`, \`blob_id\`);`,
    );

    this.addSql(
      `create table \`client_certificates\` (\`id\` text not null primary key, \`thumbprint\` text not null, \`pem\` mediumtext not null, \`chain_pem\` mediumtext null, \`subject\` text not null, \`issuer\` text not null, \`serial_number\` text not null, \`not_before\` datetime not null, \`not_after\` datetime not null, \`uses\` json not null, \`status\` text not null, \`retires_at\` datetime null, \`policy\` json not null, \`last_used_at\` datetime null, \`expiry_told_days\` bigint null, \`created_at\` datetime not null, \`organization_id\` text not null);`,
    );
    this.addSql(`create index \`client_certificates_thumbprint_index\` on \`client_certificates\` (\`thumbprint\`);`);
    this.addSql(
      `create unique index \`client_certificates_organization_id_thumbprint_unique\` on \`client_certificates\` (\`organization_id\`, \`thumbprint\`);`,
    );
    this.addSql(
      `create unique index \`client_certificates_organization_id_id_unique\` on \`client_certificates\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`dlp_policies\` (\`id\` text not null primary key, \`name\` text not null, \`on_match\` text not null, \`profile_id\` text null, \`created_at\` datetime not null, \`organization_id\` text not null);`,
    );
    this.addSql(
      `create unique index \`dlp_policies_organization_id_id_unique\` on \`dlp_policies\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`domains\` (\`id\` text not null primary key, \`domain\` text not null, \`status\` text not null, \`verification_token\` text not null, \`verified_domain\` text null, \`verified_at\` datetime null, \`created_at\` datetime not null, \`organization_id\` text not null);`,
    );
    this.addSql(`create unique index \`domains_verified_domain_unique\` on \`domains\` (\`verified_domain\`);`);
    this.addSql(
      `create unique index \`domains_organization_id_domain_unique\` on \`domains\` (\`organization_id\`, \`domain\`);`,
    );
    this.addSql(
      `create unique index \`domains_organization_id_id_unique\` on \`domains\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`domain_keys\` (\`id\` text not null primary key, \`domain_id\` text not null, \`selector\` text not null, \`algorithm\` text not null, \`public_key\` text not null, \`private_key\` mediumblob not null, \`created_at\` datetime not null, \`organization_id\` text not null, constraint \`domain_keys_organization_id_domain_id_foreign\` foreign key (\`organization_id\`, \`domain_id\`) references \`domains\` (\`organization_id\`, \`id\`));`,
    );
    this.addSql(
      `create unique index \`domain_keys_organization_id_domain_id_selector_unique\` on \`domain_keys\` (\`organization_id\`, \`domain_id\`, \`selector\`);`,
    );
    this.addSql(
      `create unique index \`domain_keys_organization_id_id_unique\` on \`domain_keys\` (\`organization_id\`, \`id\`);`,
    );
    this.addSql(
      `create index \`domain_keys_organization_id_domain_id_index\` on \`domain_keys\` (\`organization_id\`, \`domain_id\`);`,
    );

    this.addSql(
      `create table \`idempotency_records\` (\`id\` text not null primary key, \`request_key\` text not null, \`input_hash\` mediumblob not null, \`state\` text not null, \`holder\` text not null, \`held_until\` datetime not null, \`authorization_request_id\` text null, \`answer\` mediumblob null, \`expires_at\` datetime not null, \`organization_id\` text not null);`,
    );
    this.addSql(`create index \`idempotency_records_expires_at_index\` on \`idempotency_records\` (\`expires_at\`);`);
    this.addSql(
      `create unique index \`idempotency_records_organization_id_request_key_unique\` on \`idempotency_records\` (\`organization_id\`, \`request_key\`);`,
    );
    this.addSql(
      `create unique index \`idempotency_records_organization_id_id_unique\` on \`idempotency_records\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`jobs\` (\`id\` text not null primary key, \`name\` text not null, \`type\` text not null, \`priority\` integer not null, \`data\` mediumtext null, \`next_run_at\` bigint null, \`repeat_interval\` text null, \`schedule\` mediumtext null, \`disabled\` integer not null default false, \`unique_key\` text null, \`again_at\` bigint null, \`locked_at\` bigint null, \`locked_until\` bigint null, \`lock_token\` text null, \`interruptions\` integer not null default 0, \`effect_at\` bigint null, \`last_run_at\` bigint null, \`last_finished_at\` bigint null, \`failed_at\` bigint null, \`fail_count\` integer not null default 0, \`fail_reason\` mediumtext null, \`progress\` integer null, \`last_modified_by\` text null);`,
    );
    this.addSql(`create unique index \`jobs_unique_key\` on \`jobs\` (\`unique_key\`);`);
    this.addSql(`create index \`jobs_due\` on \`jobs\` (\`next_run_at\`, \`name\`);`);
    this.addSql(`create index \`jobs_next\` on \`jobs\` (\`name\`, \`next_run_at\`);`);
    this.addSql(`create index \`jobs_locked\` on \`jobs\` (\`locked_until\`, \`name\`);`);
    this.addSql(`create index \`jobs_finished\` on \`jobs\` (\`last_finished_at\`);`);

    this.addSql(
      `create table \`organizations\` (\`id\` text not null primary key, \`parent_id\` text null, \`name\` text not null, \`status\` text not null, \`external_id\` text null, \`plan\` text null, \`data_region\` text null, \`settings\` json not null, \`limits\` json not null, \`created_at\` datetime not null, \`updated_at\` datetime not null, \`path\` text not null);`,
    );
    this.addSql(`create index \`organizations_parent_id_index\` on \`organizations\` (\`parent_id\`);`);
    this.addSql(`create unique index \`organizations_path_unique\` on \`organizations\` (\`path\`);`);

    this.addSql(
      `create table \`org_units\` (\`id\` text not null primary key, \`parent_ou_id\` text null, \`name\` text not null, \`path\` text not null, \`created_at\` datetime not null, \`organization_id\` text not null);`,
    );
    this.addSql(
      `create unique index \`org_units_organization_id_path_unique\` on \`org_units\` (\`organization_id\`, \`path\`);`,
    );
    this.addSql(
      `create unique index \`org_units_organization_id_id_unique\` on \`org_units\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`members\` (\`id\` text not null primary key, \`email\` text not null, \`role\` text not null, \`ou_id\` text null, \`status\` text not null, \`invitation_expires_at\` datetime not null, \`created_at\` datetime not null, \`organization_id\` text not null, constraint \`members_organization_id_ou_id_foreign\` foreign key (\`organization_id\`, \`ou_id\`) references \`org_units\` (\`organization_id\`, \`id\`));`,
    );
    this.addSql(
      `create unique index \`members_organization_id_email_unique\` on \`members\` (\`organization_id\`, \`email\`);`,
    );
    this.addSql(
      `create unique index \`members_organization_id_id_unique\` on \`members\` (\`organization_id\`, \`id\`);`,
    );
    this.addSql(
      `create index \`members_organization_id_ou_id_index\` on \`members\` (\`organization_id\`, \`ou_id\`);`,
    );

    this.addSql(
      `create table \`outbox_events\` (\`id\` text not null primary key, \`type\` text not null, \`payload\` json not null, \`occurred_at\` datetime not null, \`fanned_out_at\` datetime null, \`organization_id\` text not null);`,
    );
    this.addSql(
      `create index \`outbox_events_fanned_out_at_id_index\` on \`outbox_events\` (\`fanned_out_at\`, \`id\`);`,
    );
    this.addSql(
      `create unique index \`outbox_events_organization_id_id_unique\` on \`outbox_events\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`rate_buckets\` (\`key\` text not null primary key, \`points\` bigint not null, \`expire\` bigint null);`,
    );

    this.addSql(
      `create table \`roles\` (\`id\` text not null primary key, \`name\` text not null, \`scopes\` json not null, \`created_at\` datetime not null, \`organization_id\` text not null);`,
    );
    this.addSql(
      `create unique index \`roles_organization_id_name_unique\` on \`roles\` (\`organization_id\`, \`name\`);`,
    );
    this.addSql(`create unique index \`roles_organization_id_id_unique\` on \`roles\` (\`organization_id\`, \`id\`);`);

    this.addSql(
      `create table \`secure_messages\` (\`id\` text not null primary key, \`from\` text not null, \`recipients\` json not null, \`subject\` mediumblob not null, \`body_blob\` text not null, \`attachments\` mediumblob not null, \`message_id\` text not null, \`status\` text not null, \`policy_id\` text not null, \`dlp_action\` text not null, \`allow_recall\` integer not null, \`attempts\` bigint not null, \`claimed_by\` text null, \`last_reply\` text null, \`created_at\` datetime not null, \`updated_at\` datetime not null, \`expires_at\` datetime not null, \`organization_id\` text not null, constraint \`secure_messages_organization_id_policy_id_foreign\` foreign key (\`organization_id\`, \`policy_id\`) references \`dlp_policies\` (\`organization_id\`, \`id\`), constraint \`secure_messages_organization_id_body_blob_foreign\` foreign key (\`organization_id\`, \`body_blob\`) references \`blobs\` (\`organization_id\`, \`id\`));`,
    );
    this.addSql(
      `create index \`secure_messages_organization_id_status_index\` on \`secure_messages\` (\`organization_id\`, \`status\`);`,
    );
    this.addSql(
      `create unique index \`secure_messages_organization_id_id_unique\` on \`secure_messages\` (\`organization_id\`, \`id\`);`,
    );
    this.addSql(
      `create index \`secure_messages_organization_id_policy_id_index\` on \`secure_messages\` (\`organization_id\`, \`policy_id\`);`,
    );
    this.addSql(
      `create index \`secure_messages_organization_id_body_blob_index\` on \`secure_messages\` (\`organization_id\`, \`body_blob\`);`,
    );

    this.addSql(
      `create table \`secure_message_events\` (\`id\` text not null primary key, \`message_id\` text not null, \`type\` text not null, \`recipient\` text null, \`attempt\` bigint not null, \`reply\` text null, \`occurred_at\` datetime not null, \`organization_id\` text not null, constraint \`secure_message_events_organization_id_message_id_foreign\` foreign key (\`organization_id\`, \`message_id\`) references \`secure_messages\` (\`organization_id\`, \`id\`));`,
    );
    this.addSql(
      `create unique index \`secure_message_events_organization_id_id_unique\` on \`secure_message_events\` (\`organization_id\`, \`id\`);`,
    );
    this.addSql(
      `create index \`secure_message_events_organization_id_message_id_index\` on \`secure_message_events\` (\`organization_id\`, \`message_id\`);`,
    );

    this.addSql(`create table \`used_keys\` (\`key\` text not null primary key, \`expires_at\` bigint not null);`);
    this.addSql(`create index \`used_keys_expires_at_index\` on \`used_keys\` (\`expires_at\`);`);
  }
}
