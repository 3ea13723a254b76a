import { Migration } from '@mikro-orm/migrations';

export class Migration20261121155341 extends Migration {
  override name = 'Migration20261121155341';

  override up(): void | Promise<void> {
    this.addSql(
      `create table \`allowed_addresses\` (\`id\` varchar(40) not null, \`cidr\` varchar(43) not null, \`label\` varchar(100) null, \`created_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`allowed_addresses\` add unique \`allowed_addresses_organization_id_cidr_unique\` (\`organization_id\`, \`cidr\`);`,
    );
    this.addSql(
      `alter table \`allowed_addresses\` add unique \`allowed_addresses_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`api_keys\` (\`id\` varchar(40) not null, \`name\` varchar(200) not null, \`scopes\` json not null, \`doors\` json not null, \`bound_organization_id\` varchar(40) null, \`member_id\` varchar(40) null, \`ip_allowlist\` json not null, \`expires_at\` datetime(3) null, \`secret_hash\` varchar(64) not null, \`previous_secret_hash\` varchar(64) null, \`previous_valid_until\` datetime(3) null, \`status\` varchar(40) not null, \`last_used_at\` datetime(3) null, \`created_at\` datetime(3) not null, \`created_by_key_id\` varchar(40) null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(`alter table \`api_keys\` add unique \`api_keys_secret_hash_unique\` (\`secret_hash\`);`);
    this.addSql(
      `alter table \`api_keys\` add unique \`api_keys_previous_secret_hash_unique\` (\`previous_secret_hash\`);`,
    );
    this.addSql(
      `alter table \`api_keys\` add index \`api_keys_organization_id_status_index\` (\`organization_id\`, \`status\`);`,
    );
    this.addSql(
      `alter table \`api_keys\` add unique \`api_keys_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`approval_decisions\` (\`id\` varchar(40) not null, \`authorization_request_id\` varchar(40) not null, \`webhook_id\` varchar(40) not null, \`decision\` varchar(40) not null, \`customer_approval_id\` varchar(128) null, \`approver_key\` varchar(64) not null, \`thumbprint\` varchar(64) null, \`signature\` varchar(1400) null, \`reason\` varchar(200) null, \`received_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`approval_decisions\` add unique \`approval_decisions_organization_id_authorization_r_dad17_unique\` (\`organization_id\`, \`authorization_request_id\`, \`approver_key\`);`,
    );
    this.addSql(
      `alter table \`approval_decisions\` add unique \`approval_decisions_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`approval_settings\` (\`id\` varchar(40) not null, \`sensitive_operations\` json not null, \`quorum\` bigint not null, \`window_seconds\` bigint null, \`private_cidrs\` json not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`approval_settings\` add unique \`approval_settings_organization_id_unique\` (\`organization_id\`);`,
    );
    this.addSql(
      `alter table \`approval_settings\` add unique \`approval_settings_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`approval_webhooks\` (\`id\` varchar(40) not null, \`url\` varchar(500) not null, \`created_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`approval_webhooks\` add unique \`approval_webhooks_organization_id_url_unique\` (\`organization_id\`, \`url\`);`,
    );
    this.addSql(
      `alter table \`approval_webhooks\` add unique \`approval_webhooks_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`audit_checkpoints\` (\`id\` varchar(40) not null, \`sequence\` bigint not null, \`hash\` varchar(64) not null, \`signed_at\` datetime(3) not null, \`statement\` mediumtext not null, \`signature\` mediumtext not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`audit_checkpoints\` add unique \`audit_checkpoints_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`audit_events\` (\`id\` varchar(40) not null, \`occurred_at\` datetime(3) not null, \`request_id\` varchar(80) null, \`operation\` varchar(100) not null, \`door\` varchar(40) not null, \`outcome\` varchar(40) not null, \`code\` varchar(60) null, \`actor_kind\` varchar(20) not null, \`actor_id\` varchar(100) not null, \`certificate_thumbprint\` varchar(64) null, \`signer_thumbprint\` varchar(64) null, \`address\` varchar(64) null, \`target\` varchar(200) null, \`authorization_request_id\` varchar(40) null, \`customer_approval_ids\` json not null, \`detail\` json not null, \`chained\` tinyint(1) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`audit_events\` add index \`audit_events_chained_organization_id_index\` (\`chained\`, \`organization_id\`);`,
    );
    this.addSql(
      `alter table \`audit_events\` add index \`audit_events_organization_id_operation_id_index\` (\`organization_id\`, \`operation\`, \`id\`);`,
    );
    this.addSql(
      `alter table \`audit_events\` add unique \`audit_events_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`audit_heads\` (\`organization\` varchar(40) not null, \`sequence\` bigint not null, \`hash\` varchar(64) not null, \`checkpoint_sequence\` bigint not null, \`checkpoint_at\` datetime(3) not null, \`signed\` tinyint(1) not null, primary key (\`organization\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );

    this.addSql(
      `create table \`audit_links\` (\`id\` varchar(40) not null, \`sequence\` bigint not null, \`hash\` varchar(64) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`audit_links\` add unique \`audit_links_organization_id_sequence_unique\` (\`organization_id\`, \`sequence\`);`,
    );
    this.addSql(
      `alter table \`audit_links\` add unique \`audit_links_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`authorization_requests\` (\`id\` varchar(40) not null, \`operation\` varchar(100) not null, \`state\` varchar(40) not null, \`key_id\` varchar(40) not null, \`approver_organization_id\` varchar(40) not null, \`requesting_ip\` varchar(45) not null, \`method\` varchar(10) not null, \`path\` varchar(2000) not null, \`digest\` varchar(71) not null, \`authorization\` mediumblob not null, \`input_blob\` varchar(40) not null, \`caller\` mediumtext not null, \`quorum\` bigint not null, \`requested_at\` datetime(3) not null, \`expires_at\` datetime(3) not null, \`decided_at\` datetime(3) null, \`customer_approval_ids\` json not null, \`finished_at\` datetime(3) null, \`reason\` varchar(200) null, \`outcome\` mediumblob null, \`unread\` tinyint(1) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`authorization_requests\` add index \`authorization_requests_organization_id_state_index\` (\`organization_id\`, \`state\`);`,
    );
    this.addSql(
      `alter table \`authorization_requests\` add index \`authorization_requests_key_id_state_index\` (\`key_id\`, \`state\`);`,
    );
    this.addSql(
      `alter table \`authorization_requests\` add unique \`authorization_requests_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`blobs\` (\`id\` varchar(40) not null, \`owner_id\` varchar(40) null, \`size\` bigint not null, \`chunks\` bigint not null, \`created_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`blobs\` add index \`blobs_organization_id_owner_id_index\` (\`organization_id\`, \`owner_id\`);`,
    );
    this.addSql(`alter table \`blobs\` add index \`blobs_owner_id_created_at_index\` (\`owner_id\`, \`created_at\`);`);
    this.addSql(`alter table \`blobs\` add unique \`blobs_organization_id_id_unique\` (\`organization_id\`, \`id\`);`);

    this.addSql(
      `create table \`blob_chunks\` (\`id\` varchar(60) not null, \`blob_id\` varchar(40) not null, \`number\` bigint not null, \`data\` mediumblob not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`blob_chunks\` add unique \`blob_chunks_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );
    this.addSql(
      `alter table \`blob_chunks\` add index \`blob_chunks_organization_id_blob_id_index\` (\`organization_id\`, \`blob_id\`);`,
    );

    this.addSql(
      `create table \`client_certificates\` (\`id\` varchar(40) not null, \`thumbprint\` varchar(64) not null, \`pem\` mediumtext not null, \`chain_pem\` mediumtext null, \`subject\` varchar(1000) not null, \`issuer\` varchar(1000) not null, \`serial_number\` varchar(64) not null, \`not_before\` datetime(3) not null, \`not_after\` datetime(3) not null, \`uses\` json not null, \`status\` varchar(40) not null, \`retires_at\` datetime(3) null, \`policy\` json not null, \`last_used_at\` datetime(3) null, \`expiry_told_days\` bigint null, \`created_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`client_certificates\` add index \`client_certificates_thumbprint_index\` (\`thumbprint\`);`,
    );
    this.addSql(
      `alter table \`client_certificates\` add unique \`client_certificates_organization_id_thumbprint_unique\` (\`organization_id\`, \`thumbprint\`);`,
    );
    this.addSql(
      `alter table \`client_certificates\` add unique \`client_certificates_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`dlp_policies\` (\`id\` varchar(40) not null, \`name\` varchar(200) not null, \`on_match\` varchar(40) not null, \`profile_id\` varchar(40) null, \`created_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`dlp_policies\` add unique \`dlp_policies_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`domains\` (\`id\` varchar(40) not null, \`domain\` varchar(253) not null, \`status\` varchar(40) not null, \`verification_token\` varchar(64) not null, \`verified_domain\` varchar(253) null, \`verified_at\` datetime(3) null, \`created_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(`alter table \`domains\` add unique \`domains_verified_domain_unique\` (\`verified_domain\`);`);
    this.addSql(
      `alter table \`domains\` add unique \`domains_organization_id_domain_unique\` (\`organization_id\`, \`domain\`);`,
    );
    this.addSql(
      `alter table \`domains\` add unique \`domains_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`domain_keys\` (\`id\` varchar(40) not null, \`domain_id\` varchar(40) not null, \`selector\` varchar(63) not null, \`algorithm\` varchar(40) not null, \`public_key\` varchar(600) not null, \`private_key\` mediumblob not null, \`created_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`domain_keys\` add unique \`domain_keys_organization_id_domain_id_selector_unique\` (\`organization_id\`, \`domain_id\`, \`selector\`);`,
    );
    this.addSql(
      `alter table \`domain_keys\` add unique \`domain_keys_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );
    this.addSql(
      `alter table \`domain_keys\` add index \`domain_keys_organization_id_domain_id_index\` (\`organization_id\`, \`domain_id\`);`,
    );

    this.addSql(
      `create table \`idempotency_records\` (\`id\` varchar(40) not null, \`request_key\` varchar(64) not null, \`input_hash\` mediumblob not null, \`state\` varchar(40) not null, \`holder\` varchar(36) not null, \`held_until\` datetime(3) not null, \`authorization_request_id\` varchar(40) null, \`answer\` mediumblob null, \`expires_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`idempotency_records\` add index \`idempotency_records_expires_at_index\` (\`expires_at\`);`,
    );
    this.addSql(
      `alter table \`idempotency_records\` add unique \`idempotency_records_organization_id_request_key_unique\` (\`organization_id\`, \`request_key\`);`,
    );
    this.addSql(
      `alter table \`idempotency_records\` add unique \`idempotency_records_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`jobs\` (\`id\` varchar(40) not null, \`name\` varchar(100) not null, \`type\` varchar(10) not null, \`priority\` int not null, \`data\` mediumtext null, \`next_run_at\` bigint null, \`repeat_interval\` varchar(255) null, \`schedule\` mediumtext null, \`disabled\` tinyint(1) not null default false, \`unique_key\` varchar(64) null, \`again_at\` bigint null, \`locked_at\` bigint null, \`locked_until\` bigint null, \`lock_token\` varchar(64) null, \`interruptions\` int not null default 0, \`effect_at\` bigint null, \`last_run_at\` bigint null, \`last_finished_at\` bigint null, \`failed_at\` bigint null, \`fail_count\` int not null default 0, \`fail_reason\` mediumtext null, \`progress\` int null, \`last_modified_by\` varchar(255) null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(`alter table \`jobs\` add unique \`jobs_unique_key\` (\`unique_key\`);`);
    this.addSql(`alter table \`jobs\` add index \`jobs_due\` (\`next_run_at\`, \`name\`);`);
    this.addSql(`alter table \`jobs\` add index \`jobs_next\` (\`name\`, \`next_run_at\`);`);
    this.addSql(`alter table \`jobs\` add index \`jobs_locked\` (\`locked_until\`, \`name\`);`);
    this.addSql(`alter table \`jobs\` add index \`jobs_finished\` (\`last_finished_at\`);`);

    this.addSql(
      `create table \`organizations\` (\`id\` varchar(40) not null, \`parent_id\` varchar(40) null, \`name\` varchar(200) not null, \`status\` varchar(40) not null, \`external_id\` varchar(200) null, \`plan\` varchar(60) null, \`data_region\` varchar(16) null, \`settings\` json not null, \`limits\` json not null, \`created_at\` datetime(3) not null, \`updated_at\` datetime(3) not null, \`path\` varchar(700) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(`alter table \`organizations\` add index \`organizations_parent_id_index\` (\`parent_id\`);`);
    this.addSql(`alter table \`organizations\` add unique \`organizations_path_unique\` (\`path\`);`);

    this.addSql(
      `create table \`org_units\` (\`id\` varchar(40) not null, \`parent_ou_id\` varchar(40) null, \`name\` varchar(100) not null, \`path\` varchar(700) not null, \`created_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`org_units\` add unique \`org_units_organization_id_path_unique\` (\`organization_id\`, \`path\`);`,
    );
    this.addSql(
      `alter table \`org_units\` add unique \`org_units_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`members\` (\`id\` varchar(40) not null, \`email\` varchar(254) not null, \`role\` varchar(40) not null, \`ou_id\` varchar(40) null, \`status\` varchar(40) not null, \`invitation_expires_at\` datetime(3) not null, \`created_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`members\` add unique \`members_organization_id_email_unique\` (\`organization_id\`, \`email\`);`,
    );
    this.addSql(
      `alter table \`members\` add unique \`members_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );
    this.addSql(
      `alter table \`members\` add index \`members_organization_id_ou_id_index\` (\`organization_id\`, \`ou_id\`);`,
    );

    this.addSql(
      `create table \`outbox_events\` (\`id\` varchar(40) not null, \`type\` varchar(100) not null, \`payload\` json not null, \`occurred_at\` datetime(3) not null, \`fanned_out_at\` datetime(3) null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`outbox_events\` add index \`outbox_events_fanned_out_at_id_index\` (\`fanned_out_at\`, \`id\`);`,
    );
    this.addSql(
      `alter table \`outbox_events\` add unique \`outbox_events_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `create table \`rate_buckets\` (\`key\` varchar(255) not null, \`points\` bigint not null, \`expire\` bigint null, primary key (\`key\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );

    this.addSql(
      `create table \`roles\` (\`id\` varchar(40) not null, \`name\` varchar(100) not null, \`scopes\` json not null, \`created_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`roles\` add unique \`roles_organization_id_name_unique\` (\`organization_id\`, \`name\`);`,
    );
    this.addSql(`alter table \`roles\` add unique \`roles_organization_id_id_unique\` (\`organization_id\`, \`id\`);`);

    this.addSql(
      `create table \`secure_messages\` (\`id\` varchar(40) not null, \`from\` varchar(254) not null, \`recipients\` json not null, \`subject\` mediumblob not null, \`body_blob\` varchar(40) not null, \`attachments\` mediumblob not null, \`message_id\` varchar(400) not null, \`status\` varchar(40) not null, \`policy_id\` varchar(40) not null, \`dlp_action\` varchar(40) not null, \`allow_recall\` tinyint(1) not null, \`attempts\` bigint not null, \`claimed_by\` varchar(80) null, \`last_reply\` varchar(500) null, \`created_at\` datetime(3) not null, \`updated_at\` datetime(3) not null, \`expires_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`secure_messages\` add index \`secure_messages_organization_id_status_index\` (\`organization_id\`, \`status\`);`,
    );
    this.addSql(
      `alter table \`secure_messages\` add unique \`secure_messages_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );
    this.addSql(
      `alter table \`secure_messages\` add index \`secure_messages_organization_id_policy_id_index\` (\`organization_id\`, \`policy_id\`);`,
    );
    this.addSql(
      `alter table \`secure_messages\` add index \`secure_messages_organization_id_body_blob_index\` (\`organization_id\`, \`body_blob\`);`,
    );

    this.addSql(
      `create table \`secure_message_events\` (\`id\` varchar(40) not null, \`message_id\` varchar(40) not null, \`type\` varchar(40) not null, \`recipient\` varchar(254) null, \`attempt\` bigint not null, \`reply\` varchar(500) null, \`occurred_at\` datetime(3) not null, \`organization_id\` varchar(40) not null, primary key (\`id\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(
      `alter table \`secure_message_events\` add unique \`secure_message_events_organization_id_id_unique\` (\`organization_id\`, \`id\`);`,
    );
    this.addSql(
      `alter table \`secure_message_events\` add index \`secure_message_events_organization_id_message_id_index\` (\`organization_id\`, \`message_id\`);`,
    );

    this.addSql(
      `create table \`used_keys\` (\`key\` varchar(64) not null, \`expires_at\` bigint not null, primary key (\`key\`)) default character set utf8mb4 collate utf8mb4_bin engine = InnoDB;`,
    );
    this.addSql(`alter table \`used_keys\` add index \`used_keys_expires_at_index\` (\`expires_at\`);`);

    this.addSql(
      `alter table \`blob_chunks\` add constraint \`blob_chunks_organization_id_blob_id_foreign\` foreign key (\`organization_id\`, \`blob_id\`) references \`blobs\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `alter table \`domain_keys\` add constraint \`domain_keys_organization_id_domain_id_foreign\` foreign key (\`organization_id\`, \`domain_id\`) references \`domains\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `alter table \`members\` add constraint \`members_organization_id_ou_id_foreign\` foreign key (\`organization_id\`, \`ou_id\`) references \`org_units\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `alter table \`secure_messages\` add constraint \`secure_messages_organization_id_policy_id_foreign\` foreign key (\`organization_id\`, \`policy_id\`) references \`dlp_policies\` (\`organization_id\`, \`id\`);`,
    );
    this.addSql(
      `alter table \`secure_messages\` add constraint \`secure_messages_organization_id_body_blob_foreign\` foreign key (\`organization_id\`, \`body_blob\`) references \`blobs\` (\`organization_id\`, \`id\`);`,
    );

    this.addSql(
      `alter table \`secure_message_events\` add constraint \`secure_message_events_organization_id_message_id_foreign\` foreign key (\`organization_id\`, \`message_id\`) references \`secure_messages\` (\`organization_id\`, \`id\`);`,
    );
  }
}
