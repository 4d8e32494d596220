-- Written by scripts/migrate.py --write-stamps: which objects are ours, and from which files.

CREATE OR REPLACE VIEW recommender.installed_objects AS
SELECT
    o.kind,
    o.name,
    o.arguments,
    o.file
FROM (
    VALUES
    (
        'function',
        '_activations_between',
        ARRAY['timestamptz', 'timestamptz'],
        'sql/desk/_activations_between.sql'
    ),
    (
        'function',
        '_add_retention_counts',
        ARRAY['jsonb', 'jsonb'],
        'sql/feedback/_add_retention_counts.sql'
    ),
    ('function', '_age_text', ARRAY['interval'], 'sql/admin/_age_text.sql'),
    ('function', '_as_jsonb', ARRAY['json'], 'sql/source/_json_as_jsonb.sql'),
    ('function', '_as_jsonb', ARRAY['jsonb'], 'sql/source/_as_jsonb.sql'),
    (
        'function',
        '_attendance_reasons',
        ARRAY[
            'integer',
            'integer[]',
            'public.recommender_models',
            'recommender.reason_templates',
            'boolean'
        ],
        'sql/scoring/_attendance_reasons.sql'
    ),
    (
        'function',
        '_attendance_sentence',
        ARRAY['recommender.reason_templates', 'text', 'text'],
        'sql/scoring/_attendance_sentence.sql'
    ),
    ('function', '_attribute_name', ARRAY['text', 'text'], 'sql/desk/_attribute_name.sql'),
    (
        'function',
        '_backtest_candidates',
        ARRAY['interval', 'interval'],
        'sql/training/_backtest_candidates.sql'
    ),
    ('function', '_backtest_marks', ARRAY[]::text[], 'sql/training/_backtest_marks.sql'),
    ('function', '_backtest_registered', ARRAY['boolean'], 'sql/training/_backtest_registered.sql'),
    (
        'function',
        '_backtest_students',
        ARRAY['integer', 'bigint'],
        'sql/training/_backtest_students.sql'
    ),
    ('function', '_basis_hash', ARRAY['public.recommender_models'], 'sql/scoring/_basis_hash.sql'),
    (
        'function',
        '_body_faults',
        ARRAY['jsonb', 'text', 'text[]', 'text'],
        'sql/serving/_body_faults.sql'
    ),
    ('function', '_body_problem', ARRAY['text[]', 'text[]'], 'sql/serving/_body_problem.sql'),
    ('function', '_build_pair_features', ARRAY['text[]'], 'sql/training/_build_pair_features.sql'),
    (
        'function',
        '_build_training_features',
        ARRAY['boolean'],
        'sql/training/_build_training_features.sql'
    ),
    (
        'function',
        '_candidate_events',
        ARRAY[
            'timestamptz',
            'double precision',
            'boolean',
            'double precision',
            'double precision',
            'double precision'
        ],
        'sql/scoring/_candidate_events.sql'
    ),
    ('function', '_check_job', ARRAY['text', 'jsonb'], 'sql/job/_check_job.sql'),
    ('function', '_check_prepared', ARRAY['bigint'], 'sql/scoring/_check_prepared.sql'),
    (
        'function',
        '_check_run_model',
        ARRAY['public.recommendation_runs'],
        'sql/scoring/_check_run_model.sql'
    ),
    (
        'function',
        '_check_sampling',
        ARRAY['bigint', 'integer', 'integer'],
        'sql/training/_check_sampling.sql'
    ),
    ('function', '_check_student', ARRAY['integer'], 'sql/admin/_check_student.sql'),
    ('function', '_choose_sort', ARRAY['integer', 'text', 'text'], 'sql/serving/_choose_sort.sql'),
    (
        'function',
        '_close_lists',
        ARRAY['public.recommendation_runs', 'integer[]', 'integer[]'],
        'sql/scoring/_close_lists.sql'
    ),
    (
        'function',
        '_continue_rescore',
        ARRAY['jsonb', 'jsonb', 'boolean'],
        'sql/job/_continue_rescore.sql'
    ),
    ('function', '_continue_retention', ARRAY['jsonb'], 'sql/feedback/_continue_retention.sql'),
    (
        'function',
        '_count_guardrail',
        ARRAY['public.guardrail_evaluations'],
        'sql/guardrail/_count_guardrail.sql'
    ),
    (
        'function',
        '_count_occurrences',
        ARRAY['text', 'timestamptz', 'timestamptz'],
        'sql/schedule/_count_occurrences.sql'
    ),
    ('function', '_count_request', ARRAY['text'], 'sql/feedback/_count_request.sql'),
    ('function', '_count_text', ARRAY['bigint', 'text', 'text'], 'sql/admin/_count_text.sql'),
    (
        'function',
        '_create_interaction_partition',
        ARRAY['text', 'date'],
        'sql/feedback/_create_interaction_partition.sql'
    ),
    ('function', '_cron_fault', ARRAY['text'], 'sql/schedule/_cron_fault.sql'),
    ('function', '_cron_field', ARRAY['text', 'text'], 'sql/schedule/_cron_field.sql'),
    (
        'function',
        '_cron_item',
        ARRAY['text', 'integer', 'integer', 'text[]'],
        'sql/schedule/_cron_item.sql'
    ),
    (
        'function',
        '_cron_number',
        ARRAY['text', 'text[]', 'integer'],
        'sql/schedule/_cron_number.sql'
    ),
    (
        'function',
        '_days_until_epoch',
        ARRAY['double precision', 'double precision'],
        'sql/feature/_days_until_epoch.sql'
    ),
    (
        'function',
        '_decide_guardrail',
        ARRAY['public.guardrail_evaluations'],
        'sql/guardrail/_decide_guardrail.sql'
    ),
    (
        'function',
        '_decide_sequential',
        ARRAY['jsonb', 'jsonb', 'double precision', 'double precision'],
        'sql/guardrail/_decide_sequential.sql'
    ),
    (
        'function',
        '_delete_old_interactions',
        ARRAY['regclass', 'timestamptz', 'bigint'],
        'sql/feedback/_delete_old_interactions.sql'
    ),
    ('function', '_deleted_event_item', ARRAY['integer'], 'sql/demo/_deleted_event_item.sql'),
    ('function', '_desk_coverage', ARRAY[]::text[], 'sql/desk/_desk_coverage.sql'),
    ('function', '_desk_lists', ARRAY[]::text[], 'sql/desk/_desk_lists.sql'),
    ('function', '_desk_setting', ARRAY['text'], 'sql/desk/_desk_setting.sql'),
    (
        'function',
        '_drop_old_partition',
        ARRAY['regclass', 'timestamptz', 'xid'],
        'sql/feedback/_drop_old_partition.sql'
    ),
    ('function', '_end_failed_job', ARRAY['bigint', 'text'], 'sql/job/_end_failed_job.sql'),
    ('function', '_enqueue_scheduled', ARRAY['text'], 'sql/schedule/_enqueue_scheduled.sql'),
    (
        'function',
        '_ensure_run_snapshot',
        ARRAY['public.recommendation_runs'],
        'sql/scoring/_ensure_run_snapshot.sql'
    ),
    (
        'function',
        '_evaluation_answer',
        ARRAY['public.guardrail_evaluations'],
        'sql/desk/_evaluation_answer.sql'
    ),
    (
        'function',
        '_evaluations_between',
        ARRAY['timestamptz', 'timestamptz'],
        'sql/desk/_evaluations_between.sql'
    ),
    ('function', '_event_checks', ARRAY['integer', 'integer'], 'sql/admin/_event_checks.sql'),
    ('function', '_event_items', ARRAY['integer[]', 'text[]'], 'sql/serving/_event_items.sql'),
    (
        'function',
        '_event_number_logits',
        ARRAY['public.recommender_models'],
        'sql/scoring/_event_number_logits.sql'
    ),
    (
        'function',
        '_event_reason',
        ARRAY['integer', 'integer', 'text', 'text'],
        'sql/demo/_event_reason.sql'
    ),
    ('function', '_event_state', ARRAY['integer', 'integer'], 'sql/demo/_event_state.sql'),
    ('function', '_exclusions', ARRAY['integer'], 'sql/serving/_exclusions.sql'),
    (
        'function',
        '_expected_argument',
        ARRAY['text', 'text', 'jsonb'],
        'sql/job/_expected_argument.sql'
    ),
    ('function', '_feature_label', ARRAY['text'], 'sql/desk/_feature_label.sql'),
    ('function', '_field_form', ARRAY['text'], 'sql/feedback/_field_form.sql'),
    (
        'function',
        '_find_changed_events',
        ARRAY['public.recommendation_runs', 'public.recommender_models'],
        'sql/scoring/_find_changed_events.sql'
    ),
    (
        'function',
        '_find_due_students',
        ARRAY['public.recommendation_runs', 'timestamptz'],
        'sql/scoring/_find_due_students.sql'
    ),
    (
        'function',
        '_find_entered_lists',
        ARRAY['public.recommendation_runs'],
        'sql/scoring/_find_entered_lists.sql'
    ),
    (
        'function',
        '_find_minute',
        ARRAY['integer[]', 'integer[]', 'integer', 'boolean'],
        'sql/schedule/_find_minute.sql'
    ),
    (
        'function',
        '_find_occurrence',
        ARRAY['text', 'timestamptz', 'boolean'],
        'sql/schedule/_find_occurrence.sql'
    ),
    (
        'function',
        '_find_old_rows',
        ARRAY['regclass', 'timestamptz', 'bigint'],
        'sql/feedback/_find_old_rows.sql'
    ),
    (
        'function',
        '_fold_implicit_interests',
        ARRAY[]::text[],
        'sql/training/_fold_implicit_interests.sql'
    ),
    (
        'function',
        '_gather_profiles',
        ARRAY['integer[]', 'timestamptz', 'integer'],
        'sql/scoring/_gather_profiles.sql'
    ),
    (
        'function',
        '_guardrail_moments',
        ARRAY['timestamptz', 'timestamptz', 'integer'],
        'sql/guardrail/_guardrail_moments.sql'
    ),
    (
        'function',
        '_guardrail_outcome',
        ARRAY['public.guardrail_evaluations'],
        'sql/guardrail/_guardrail_outcome.sql'
    ),
    (
        'function',
        '_guardrail_students',
        ARRAY['timestamptz', 'timestamptz', 'integer'],
        'sql/guardrail/_guardrail_students.sql'
    ),
    (
        'function',
        '_guardrail_traffic',
        ARRAY['timestamptz', 'timestamptz', 'integer'],
        'sql/guardrail/_guardrail_traffic.sql'
    ),
    (
        'function',
        '_has_extended_features',
        ARRAY[]::text[],
        'sql/feature/_has_extended_features.sql'
    ),
    (
        'function',
        '_has_fresh_upcoming',
        ARRAY['timestamptz', 'interval', 'boolean'],
        'sql/scoring/_has_fresh_upcoming.sql'
    ),
    ('function', '_hidden_tag_ids', ARRAY['integer'], 'sql/serving/_hidden_tag_ids.sql'),
    ('function', '_home_city', ARRAY['integer', 'text'], 'sql/serving/_home_city.sql'),
    ('function', '_interaction_faults', ARRAY['jsonb'], 'sql/feedback/_interaction_faults.sql'),
    (
        'function',
        '_interaction_partitions',
        ARRAY[]::text[],
        'sql/feedback/_interaction_partitions.sql'
    ),
    ('function', '_interaction_tables', ARRAY[]::text[], 'sql/feedback/_interaction_tables.sql'),
    ('function', '_interaction_types', ARRAY[]::text[], 'sql/feedback/_interaction_types.sql'),
    ('function', '_is_backtest', ARRAY[]::text[], 'sql/source/_is_backtest.sql'),
    ('function', '_is_client_id', ARRAY['jsonb'], 'sql/feedback/_is_client_id.sql'),
    (
        'function',
        '_is_cron_day',
        ARRAY['date', 'integer[]', 'integer[]', 'integer[]', 'boolean'],
        'sql/schedule/_is_cron_day.sql'
    ),
    ('function', '_is_event_id', ARRAY['jsonb'], 'sql/feedback/_is_event_id.sql'),
    ('function', '_is_instant', ARRAY['jsonb'], 'sql/feedback/_is_instant.sql'),
    ('function', '_is_interaction_type', ARRAY['jsonb'], 'sql/feedback/_is_interaction_type.sql'),
    ('function', '_is_job_blocked', ARRAY['text', 'text'], 'sql/job/_is_job_blocked.sql'),
    ('function', '_is_meta', ARRAY['jsonb'], 'sql/feedback/_is_meta.sql'),
    (
        'function',
        '_is_run_snapshot',
        ARRAY['public.recommendation_runs'],
        'sql/scoring/_is_run_snapshot.sql'
    ),
    ('function', '_job_answer', ARRAY['public.background_jobs'], 'sql/serving/_job_answer.sql'),
    ('function', '_job_lane', ARRAY['text', 'jsonb'], 'sql/job/_job_lane.sql'),
    (
        'function',
        '_judge_guardrail',
        ARRAY['public.guardrail_evaluations'],
        'sql/guardrail/_judge_guardrail.sql'
    ),
    (
        'function',
        '_keep_retention_history',
        ARRAY['regclass', 'tid[]', 'bigint', 'xid'],
        'sql/feedback/_keep_retention_history.sql'
    ),
    ('function', '_keeping_rank', ARRAY['text', 'jsonb'], 'sql/feedback/_keeping_rank.sql'),
    (
        'function',
        '_label_windows',
        ARRAY['timestamptz', 'interval', 'integer'],
        'sql/training/_label_windows.sql'
    ),
    (
        'function',
        '_learn_interests',
        ARRAY['integer', 'text[]', 'integer[]', 'jsonb[]', 'timestamptz'],
        'sql/feedback/_learn_interests.sql'
    ),
    ('function', '_learned_interests', ARRAY['integer'], 'sql/demo/_learned_interests.sql'),
    (
        'function',
        '_learning_delta',
        ARRAY['text', 'jsonb', 'double precision'],
        'sql/training/_learning_delta.sql'
    ),
    ('function', '_list_batches', ARRAY['bigint'], 'sql/scoring/_list_batches.sql'),
    ('function', '_list_detail', ARRAY['integer'], 'sql/admin/_list_detail.sql'),
    ('function', '_list_length', ARRAY['jsonb'], 'sql/job/_list_length.sql'),
    ('function', '_lock_key', ARRAY['text'], 'sql/setting/_lock_key.sql'),
    (
        'function',
        '_lock_lists',
        ARRAY['public.recommendation_runs', 'integer[]', 'boolean'],
        'sql/scoring/_lock_lists.sql'
    ),
    ('function', '_log_gamma', ARRAY['double precision'], 'sql/guardrail/_log_gamma.sql'),
    ('function', '_lower_beyond_ascii', ARRAY['text'], 'sql/source/_lower_beyond_ascii.sql'),
    ('function', '_make_batch_tables', ARRAY[]::text[], 'sql/scoring/_make_batch_tables.sql'),
    (
        'function',
        '_make_retention_partition',
        ARRAY['jsonb'],
        'sql/feedback/_make_retention_partition.sql'
    ),
    (
        'function',
        '_mark_due',
        ARRAY['bigint', 'double precision', 'double precision'],
        'sql/scoring/_mark_due.sql'
    ),
    ('function', '_mark_lists', ARRAY['bigint', 'integer[]'], 'sql/scoring/_mark_lists.sql'),
    (
        'function',
        '_match_tags',
        ARRAY['integer', 'integer', 'integer[]', 'integer[]'],
        'sql/serving/_match_tags.sql'
    ),
    (
        'function',
        '_matching_events',
        ARRAY[
            'timestamptz',
            'timestamptz',
            'boolean',
            'integer[]',
            'integer[]',
            'integer[]',
            'text',
            'text',
            'text',
            'text'
        ],
        'sql/serving/_matching_events.sql'
    ),
    ('function', '_measure_guardrail', ARRAY['jsonb'], 'sql/guardrail/_measure_guardrail.sql'),
    ('function', '_model_fault', ARRAY['public.recommender_models'], 'sql/desk/_model_fault.sql'),
    (
        'function',
        '_model_features',
        ARRAY['public.recommender_models', 'jsonb'],
        'sql/desk/_model_features.sql'
    ),
    ('function', '_model_trouble', ARRAY[]::text[], 'sql/admin/_model_trouble.sql'),
    ('function', '_moment_text', ARRAY['timestamptz'], 'sql/admin/_moment_text.sql'),
    (
        'function',
        '_months_without_partition',
        ARRAY['date', 'date'],
        'sql/feedback/_months_without_partition.sql'
    ),
    (
        'function',
        '_named_weights',
        ARRAY['text[]', 'double precision[]'],
        'sql/admin/_named_weights.sql'
    ),
    ('function', '_next_batch', ARRAY[]::text[], 'sql/scoring/_next_batch.sql'),
    ('function', '_no_student', ARRAY['integer'], 'sql/desk/_no_student.sql'),
    ('function', '_note_changes', ARRAY[]::text[], 'sql/scoring/_note_changes.sql'),
    (
        'function',
        '_note_run_events',
        ARRAY['public.recommendation_runs', 'public.recommender_models'],
        'sql/scoring/_note_run_events.sql'
    ),
    (
        'function',
        '_number_features',
        ARRAY['public.recommender_models'],
        'sql/scoring/_number_features.sql'
    ),
    ('function', '_number_in', ARRAY['jsonb', 'text'], 'sql/admin/_number_in.sql'),
    ('function', '_organizer_name', ARRAY['text', 'text'], 'sql/scoring/_organizer_name.sql'),
    ('function', '_own_logits', ARRAY['public.recommender_models'], 'sql/scoring/_own_logits.sql'),
    ('function', '_pair_features_query', ARRAY['text[]'], 'sql/training/_pair_features_query.sql'),
    (
        'function',
        '_pair_values',
        ARRAY['integer', 'integer', 'text[]'],
        'sql/feature/_pair_values.sql'
    ),
    (
        'function',
        '_parameter_problem',
        ARRAY['text', 'text', 'text'],
        'sql/serving/_parameter_problem.sql'
    ),
    ('function', '_parse_cron', ARRAY['text'], 'sql/schedule/_parse_cron.sql'),
    ('function', '_pick', ARRAY['integer', 'integer', 'text', 'text'], 'sql/serving/_pick.sql'),
    (
        'function',
        '_popular_events',
        ARRAY['integer', 'integer[]', 'integer[]'],
        'sql/serving/_popular_events.sql'
    ),
    (
        'function',
        '_popularity_slack',
        ARRAY['public.recommendation_runs'],
        'sql/scoring/_popularity_slack.sql'
    ),
    (
        'function',
        '_prepare_events',
        ARRAY['public.recommender_models', 'timestamptz'],
        'sql/scoring/_prepare_events.sql'
    ),
    ('function', '_prepare_postings', ARRAY[]::text[], 'sql/scoring/_prepare_postings.sql'),
    ('function', '_preview_faults', ARRAY['jsonb', 'text[]'], 'sql/desk/_preview_faults.sql'),
    ('function', '_problem', ARRAY['integer', 'text', 'text'], 'sql/serving/_problem.sql'),
    (
        'function',
        '_rank_all',
        ARRAY['integer', 'text[]', 'double precision[]'],
        'sql/admin/_rank_all.sql'
    ),
    ('function', '_rank_detail', ARRAY['integer', 'integer'], 'sql/admin/_rank_detail.sql'),
    ('function', '_rank_profiles', ARRAY['integer'], 'sql/scoring/_rank_profiles.sql'),
    ('function', '_read_batch', ARRAY['jsonb'], 'sql/feedback/_read_batch.sql'),
    ('function', '_read_days', ARRAY['text', 'integer', 'integer'], 'sql/serving/_read_days.sql'),
    ('function', '_reason_kind', ARRAY['text', 'text', 'integer'], 'sql/scoring/_reason_kind.sql'),
    (
        'function',
        '_reason_near',
        ARRAY['recommender.reason_templates', 'text', 'boolean', 'text'],
        'sql/serving/_reason_near.sql'
    ),
    ('function', '_rebuild_twin', ARRAY['text'], 'sql/feature/_rebuild_twin.sql'),
    ('function', '_refresh_for_run', ARRAY['bigint'], 'sql/scoring/_refresh_for_run.sql'),
    ('function', '_refresh_student', ARRAY['integer', 'integer'], 'sql/job/_refresh_student.sql'),
    (
        'function',
        '_refuse_account',
        ARRAY['integer', 'recommender.source_users', 'text'],
        'sql/serving/_refuse_account.sql'
    ),
    ('function', '_refuse_admin', ARRAY['integer', 'boolean'], 'sql/serving/_refuse_admin.sql'),
    ('function', '_refuse_batch', ARRAY['jsonb'], 'sql/feedback/_refuse_batch.sql'),
    (
        'function',
        '_refuse_body',
        ARRAY['jsonb', 'text', 'text[]', 'text'],
        'sql/serving/_refuse_body.sql'
    ),
    ('function', '_refuse_cron', ARRAY['text'], 'sql/schedule/_refuse_cron.sql'),
    (
        'function',
        '_refuse_request',
        ARRAY['integer', 'recommender.source_users', 'text'],
        'sql/feedback/_refuse_request.sql'
    ),
    ('function', '_remaining_lists', ARRAY['bigint'], 'sql/scoring/_remaining_lists.sql'),
    ('function', '_remove_expired', ARRAY['jsonb'], 'sql/feedback/_remove_expired.sql'),
    (
        'function',
        '_render_reasons',
        ARRAY['recommender.ranked_events[]', 'recommender.reason_templates'],
        'sql/serving/_render_reasons.sql'
    ),
    (
        'function',
        '_request_refresh',
        ARRAY['integer', 'text[]', 'jsonb[]'],
        'sql/feedback/_request_refresh.sql'
    ),
    (
        'function',
        '_requeue_job',
        ARRAY['public.background_jobs', 'timestamptz', 'integer', 'text'],
        'sql/job/_requeue_job.sql'
    ),
    ('function', '_resume_run', ARRAY['text'], 'sql/scoring/_resume_run.sql'),
    ('function', '_retire_interactions', ARRAY['jsonb'], 'sql/feedback/_retire_interactions.sql'),
    ('function', '_rollback_target', ARRAY['text'], 'sql/guardrail/_rollback_target.sql'),
    ('function', '_run_schedule_entry', ARRAY['text'], 'sql/schedule/_run_schedule_entry.sql'),
    ('function', '_run_step', ARRAY['public.background_jobs'], 'sql/job/_run_step.sql'),
    (
        'function',
        '_sample_holdout_negatives',
        ARRAY['bigint', 'integer'],
        'sql/training/_sample_holdout_negatives.sql'
    ),
    (
        'function',
        '_sample_negatives',
        ARRAY['bigint', 'integer', 'boolean'],
        'sql/training/_sample_negatives.sql'
    ),
    (
        'function',
        '_sample_ratio_check',
        ARRAY['timestamptz', 'timestamptz'],
        'sql/guardrail/_sample_ratio_check.sql'
    ),
    (
        'function',
        '_sample_weak_positives',
        ARRAY['bigint'],
        'sql/training/_sample_weak_positives.sql'
    ),
    (
        'function',
        '_sample_window',
        ARRAY['bigint', 'integer', 'interval', 'integer', 'integer'],
        'sql/training/_sample_window.sql'
    ),
    ('function', '_schedule_runner', ARRAY[]::text[], 'sql/schedule/_schedule_runner.sql'),
    (
        'function',
        '_score_holdouts',
        ARRAY['double precision[]', 'text[]'],
        'sql/training/_score_holdouts.sql'
    ),
    ('function', '_seconds_to_next_job', ARRAY['text[]'], 'sql/job/_seconds_to_next_job.sql'),
    (
        'function',
        '_sequential_test',
        ARRAY['jsonb', 'double precision', 'double precision', 'double precision'],
        'sql/guardrail/_sequential_test.sql'
    ),
    ('function', '_set_as_of', ARRAY['timestamptz'], 'sql/setting/_set_as_of.sql'),
    (
        'function',
        '_setting_is_valid',
        ARRAY['text', 'text', 'double precision', 'double precision'],
        'sql/setting/_setting_is_valid.sql'
    ),
    ('function', '_share_text', ARRAY['bigint', 'bigint'], 'sql/admin/_share_text.sql'),
    ('function', '_sign_receipts', ARRAY['integer', 'uuid[]'], 'sql/feedback/_sign_receipts.sql'),
    ('function', '_signal_weight', ARRAY['text', 'jsonb'], 'sql/training/_signal_weight.sql'),
    (
        'function',
        '_skip_in_retention',
        ARRAY['jsonb', 'text', 'text'],
        'sql/feedback/_skip_in_retention.sql'
    ),
    (
        'function',
        '_start_changed_run',
        ARRAY['integer', 'timestamptz', 'boolean'],
        'sql/scoring/_start_changed_run.sql'
    ),
    ('function', '_start_examples', ARRAY[]::text[], 'sql/training/_start_examples.sql'),
    ('function', '_start_schedule_entry', ARRAY['text'], 'sql/schedule/_start_schedule_entry.sql'),
    ('function', '_status_data', ARRAY[]::text[], 'sql/admin/_status_data.sql'),
    ('function', '_status_features', ARRAY[]::text[], 'sql/admin/_status_features.sql'),
    ('function', '_status_guardrails', ARRAY[]::text[], 'sql/admin/_status_guardrails.sql'),
    ('function', '_status_items', ARRAY[]::text[], 'sql/admin/_status_items.sql'),
    ('function', '_status_lists', ARRAY[]::text[], 'sql/admin/_status_lists.sql'),
    ('function', '_status_model', ARRAY[]::text[], 'sql/admin/_status_model.sql'),
    ('function', '_status_queue', ARRAY[]::text[], 'sql/admin/_status_queue.sql'),
    ('function', '_status_schedule', ARRAY[]::text[], 'sql/admin/_status_schedule.sql'),
    ('function', '_status_settings', ARRAY[]::text[], 'sql/admin/_status_settings.sql'),
    ('function', '_step_job', ARRAY['bigint', 'text', 'integer'], 'sql/job/_step_job.sql'),
    ('function', '_step_retention', ARRAY['jsonb'], 'sql/feedback/_step_retention.sql'),
    (
        'function',
        '_store_guardrail',
        ARRAY['public.guardrail_evaluations'],
        'sql/guardrail/_store_guardrail.sql'
    ),
    (
        'function',
        '_store_interactions',
        ARRAY['integer', 'text[]', 'integer[]', 'timestamptz[]', 'jsonb[]', 'timestamptz'],
        'sql/feedback/_store_interactions.sql'
    ),
    ('function', '_student_interactions', ARRAY['integer'], 'sql/desk/_student_interactions.sql'),
    ('function', '_student_items', ARRAY['integer'], 'sql/desk/_student_items.sql'),
    ('function', '_student_profile', ARRAY['integer'], 'sql/desk/_student_profile.sql'),
    (
        'function',
        '_sum_interests',
        ARRAY['text[]', 'double precision[]', 'jsonb[]', 'text'],
        'sql/feedback/_sum_interests.sql'
    ),
    (
        'function',
        '_sum_tag_interests',
        ARRAY['integer', 'integer[]', 'double precision[]', 'jsonb[]'],
        'sql/feedback/_sum_tag_interests.sql'
    ),
    ('function', '_switch', ARRAY['text'], 'sql/admin/_switch.sql'),
    ('function', '_tags_spelled', ARRAY['text[]'], 'sql/source/_tags_spelled.sql'),
    ('function', '_telemetry_trouble', ARRAY[]::text[], 'sql/serving/_telemetry_trouble.sql'),
    (
        'function',
        '_tell_schedule_run',
        ARRAY['text', 'timestamptz', 'integer', 'text'],
        'sql/schedule/_tell_schedule_run.sql'
    ),
    (
        'function',
        '_test_sample_ratio',
        ARRAY['bigint', 'bigint', 'integer'],
        'sql/guardrail/_test_sample_ratio.sql'
    ),
    ('function', '_training_odds', ARRAY[]::text[], 'sql/training/_training_odds.sql'),
    ('function', '_validate_top_n', ARRAY['integer'], 'sql/scoring/_validate_top_n.sql'),
    (
        'function',
        '_variant_days',
        ARRAY['timestamptz', 'timestamptz', 'integer'],
        'sql/desk/_variant_days.sql'
    ),
    (
        'function',
        '_variant_rates',
        ARRAY['bigint', 'bigint', 'bigint'],
        'sql/desk/_variant_rates.sql'
    ),
    (
        'function',
        '_weights_are_usable',
        ARRAY['text[]', 'double precision[]'],
        'sql/scoring/_weights_are_usable.sql'
    ),
    ('function', '_wilson_interval', ARRAY['bigint', 'bigint'], 'sql/desk/_wilson_interval.sql'),
    (
        'function',
        '_window_horizon',
        ARRAY['interval', 'integer'],
        'sql/training/_window_horizon.sql'
    ),
    ('function', '_word_attendances', ARRAY[]::text[], 'sql/scoring/_word_attendances.sql'),
    (
        'function',
        '_word_guardrail',
        ARRAY['public.guardrail_evaluations', 'boolean', 'boolean', 'integer'],
        'sql/guardrail/_word_guardrail.sql'
    ),
    ('function', '_word_rate', ARRAY['bigint', 'bigint'], 'sql/guardrail/_word_rate.sql'),
    (
        'function',
        '_word_reasons',
        ARRAY[
            'recommender.ranked_events[]',
            'text',
            'text',
            'text',
            'recommender.reason_templates'
        ],
        'sql/serving/_word_reasons.sql'
    ),
    ('function', '_word_shared', ARRAY[]::text[], 'sql/scoring/_word_shared.sql'),
    (
        'function',
        '_write_lists',
        ARRAY['integer[]', 'text', 'timestamptz'],
        'sql/scoring/_write_lists.sql'
    ),
    (
        'function',
        'activate_model',
        ARRAY['text', 'text', 'text', 'text'],
        'sql/scoring/activate_model.sql'
    ),
    ('function', 'as_of', ARRAY[]::text[], 'sql/setting/as_of.sql'),
    ('function', 'as_of_day', ARRAY[]::text[], 'sql/feature/as_of_day.sql'),
    (
        'function',
        'attribute_weight',
        ARRAY[
            'text',
            'double precision',
            'timestamptz',
            'timestamptz',
            'double precision',
            'double precision'
        ],
        'sql/feature/attribute_weight.sql'
    ),
    (
        'function',
        'backtest_features',
        ARRAY['integer', 'integer', 'text[]'],
        'sql/training/backtest_features.sql'
    ),
    (
        'function',
        'backtest_prepare',
        ARRAY['timestamptz', 'interval', 'interval', 'integer', 'bigint', 'boolean'],
        'sql/training/backtest_prepare.sql'
    ),
    (
        'function',
        'base_logit',
        ARRAY[
            'double precision',
            'double precision',
            'double precision',
            'bigint',
            'timestamptz',
            'timestamptz'
        ],
        'sql/scoring/base_logit.sql'
    ),
    (
        'function',
        'build_training_attributes',
        ARRAY[]::text[],
        'sql/training/build_training_attributes.sql'
    ),
    (
        'function',
        'build_training_examples',
        ARRAY['bigint', 'integer', 'integer'],
        'sql/training/build_training_examples.sql'
    ),
    (
        'function',
        'build_training_matrix',
        ARRAY['bigint', 'integer', 'integer', 'text'],
        'sql/training/build_training_matrix.sql'
    ),
    (
        'function',
        'build_training_pairs',
        ARRAY['bigint', 'boolean'],
        'sql/training/build_training_pairs.sql'
    ),
    (
        'function',
        'build_training_windows',
        ARRAY['bigint', 'integer', 'integer', 'integer', 'integer', 'text[]'],
        'sql/training/build_training_windows.sql'
    ),
    ('function', 'check_freshness', ARRAY[]::text[], 'sql/schedule/check_freshness.sql'),
    ('function', 'choose_language', ARRAY['text', 'text[]'], 'sql/scoring/choose_language.sql'),
    ('function', 'claim_job', ARRAY['text', 'text[]'], 'sql/job/claim_job.sql'),
    (
        'function',
        'compare_with_active',
        ARRAY['double precision[]', 'text[]'],
        'sql/training/compare_with_active.sql'
    ),
    (
        'function',
        'create_interaction_partitions',
        ARRAY['date', 'date'],
        'sql/feedback/create_interaction_partitions.sql'
    ),
    ('function', 'current_model', ARRAY[]::text[], 'sql/scoring/current_model.sql'),
    ('function', 'days_until', ARRAY['timestamptz', 'timestamptz'], 'sql/feature/days_until.sql'),
    (
        'function',
        'decayed_score',
        ARRAY[
            'double precision',
            'timestamptz',
            'timestamptz',
            'double precision',
            'double precision'
        ],
        'sql/feature/decayed_score.sql'
    ),
    (
        'function',
        'enqueue_job',
        ARRAY['text', 'jsonb', 'text', 'timestamptz'],
        'sql/job/enqueue_job.sql'
    ),
    ('function', 'evaluate_guardrails', ARRAY['jsonb'], 'sql/guardrail/evaluate_guardrails.sql'),
    (
        'function',
        'evaluate_holdouts',
        ARRAY['double precision[]', 'text[]'],
        'sql/training/evaluate_holdouts.sql'
    ),
    (
        'function',
        'evaluate_loss',
        ARRAY['double precision[]', 'double precision', 'text[]'],
        'sql/training/evaluate_loss.sql'
    ),
    (
        'function',
        'experiment_bucket',
        ARRAY['text', 'integer'],
        'sql/serving/experiment_bucket.sql'
    ),
    ('function', 'explain', ARRAY['integer', 'integer'], 'sql/admin/explain.sql'),
    (
        'function',
        'fail_job',
        ARRAY['bigint', 'text', 'integer', 'text', 'boolean'],
        'sql/job/fail_job.sql'
    ),
    ('function', 'feature_kind', ARRAY['text'], 'sql/feature/feature_kind.sql'),
    ('function', 'feature_label', ARRAY['text', 'text'], 'sql/demo/feature_label.sql'),
    ('function', 'feature_names', ARRAY['text'], 'sql/feature/feature_names.sql'),
    ('function', 'feature_set', ARRAY['text[]'], 'sql/feature/feature_set.sql'),
    (
        'function',
        'finish_job',
        ARRAY['bigint', 'text', 'integer', 'jsonb'],
        'sql/job/finish_job.sql'
    ),
    ('function', 'finish_run', ARRAY['bigint'], 'sql/scoring/finish_run.sql'),
    (
        'function',
        'get_admin_metrics',
        ARRAY['integer', 'text'],
        'sql/serving/get_admin_metrics.sql'
    ),
    ('function', 'get_admin_status', ARRAY['integer'], 'sql/serving/get_admin_status.sql'),
    ('function', 'get_demo_admin', ARRAY[]::text[], 'sql/demo/get_demo_admin.sql'),
    (
        'function',
        'get_demo_event',
        ARRAY['integer', 'text[]', 'integer'],
        'sql/demo/get_demo_event.sql'
    ),
    (
        'function',
        'get_demo_explanation',
        ARRAY['integer', 'text[]', 'integer'],
        'sql/demo/get_demo_explanation.sql'
    ),
    ('function', 'get_demo_facets', ARRAY['integer'], 'sql/demo/get_demo_facets.sql'),
    ('function', 'get_demo_interests', ARRAY['integer'], 'sql/demo/get_demo_interests.sql'),
    ('function', 'get_demo_list', ARRAY['integer'], 'sql/demo/get_demo_list.sql'),
    ('function', 'get_demo_student', ARRAY['integer'], 'sql/demo/get_demo_student.sql'),
    ('function', 'get_demo_students', ARRAY['text'], 'sql/demo/get_demo_students.sql'),
    ('function', 'get_demo_tags', ARRAY['text'], 'sql/demo/get_demo_tags.sql'),
    (
        'function',
        'get_desk_account',
        ARRAY['integer', 'timestamptz'],
        'sql/desk/get_desk_account.sql'
    ),
    (
        'function',
        'get_desk_explanation',
        ARRAY['integer', 'integer', 'integer'],
        'sql/desk/get_desk_explanation.sql'
    ),
    ('function', 'get_desk_guardrails', ARRAY['integer'], 'sql/desk/get_desk_guardrails.sql'),
    ('function', 'get_desk_jobs', ARRAY['integer'], 'sql/desk/get_desk_jobs.sql'),
    ('function', 'get_desk_models', ARRAY['integer'], 'sql/desk/get_desk_models.sql'),
    ('function', 'get_desk_overview', ARRAY['integer'], 'sql/desk/get_desk_overview.sql'),
    ('function', 'get_desk_student', ARRAY['integer', 'integer'], 'sql/desk/get_desk_student.sql'),
    ('function', 'get_desk_students', ARRAY['integer', 'text'], 'sql/desk/get_desk_students.sql'),
    ('function', 'get_desk_variants', ARRAY['integer', 'text'], 'sql/desk/get_desk_variants.sql'),
    (
        'function',
        'get_events',
        ARRAY[
            'integer',
            'text[]',
            'text',
            'text',
            'text',
            'text',
            'text[]',
            'date',
            'date',
            'boolean',
            'text',
            'integer',
            'integer'
        ],
        'sql/serving/get_events.sql'
    ),
    ('function', 'get_personalization', ARRAY['integer'], 'sql/serving/get_personalization.sql'),
    ('function', 'get_readiness', ARRAY['text', 'text'], 'sql/serving/get_readiness.sql'),
    (
        'function',
        'get_recommendations',
        ARRAY['integer', 'text[]'],
        'sql/serving/get_recommendations.sql'
    ),
    (
        'function',
        'guardrail_metrics',
        ARRAY['timestamptz', 'timestamptz', 'integer'],
        'sql/guardrail/guardrail_metrics.sql'
    ),
    ('function', 'heartbeat_job', ARRAY['bigint', 'text', 'integer'], 'sql/job/heartbeat_job.sql'),
    ('function', 'hold_job', ARRAY['bigint', 'text', 'integer'], 'sql/job/hold_job.sql'),
    ('function', 'impression_weight', ARRAY['numeric'], 'sql/training/impression_weight.sql'),
    ('function', 'install_cron', ARRAY[]::text[], 'sql/schedule/install_cron.sql'),
    (
        'function',
        'judge_model',
        ARRAY['double precision', 'text', 'double precision', 'bigint', 'boolean', 'jsonb'],
        'sql/training/judge_model.sql'
    ),
    ('function', 'log_loss', ARRAY['double precision', 'integer'], 'sql/training/log_loss.sql'),
    ('function', 'metrics', ARRAY['integer'], 'sql/admin/metrics.sql'),
    (
        'function',
        'model_weight',
        ARRAY['public.recommender_models', 'text'],
        'sql/scoring/model_weight.sql'
    ),
    (
        'function',
        'next_occurrence',
        ARRAY['text', 'timestamptz'],
        'sql/schedule/next_occurrence.sql'
    ),
    ('function', 'normalize_text', ARRAY['text'], 'sql/source/normalize_text.sql'),
    ('function', 'pick_events', ARRAY['integer', 'integer', 'text'], 'sql/serving/pick_events.sql'),
    ('function', 'popularity', ARRAY['bigint'], 'sql/feature/popularity.sql'),
    ('function', 'prepare_run', ARRAY['bigint'], 'sql/scoring/prepare_run.sql'),
    (
        'function',
        'preview_desk_weights',
        ARRAY['integer', 'integer', 'jsonb'],
        'sql/desk/preview_desk_weights.sql'
    ),
    (
        'function',
        'preview_weights',
        ARRAY['double precision[]', 'integer', 'integer'],
        'sql/admin/preview_weights.sql'
    ),
    (
        'function',
        'previous_occurrence',
        ARRAY['text', 'timestamptz'],
        'sql/schedule/previous_occurrence.sql'
    ),
    ('function', 'rank_events', ARRAY['integer', 'integer'], 'sql/scoring/rank_events.sql'),
    (
        'function',
        'reason_text',
        ARRAY['recommender.reason_templates', 'text[]', 'boolean'],
        'sql/scoring/reason_text.sql'
    ),
    (
        'function',
        'record_interactions',
        ARRAY['integer', 'jsonb', 'text'],
        'sql/feedback/record_interactions.sql'
    ),
    ('function', 'refresh_features', ARRAY[]::text[], 'sql/feature/refresh_features.sql'),
    (
        'function',
        'refresh_upcoming_events',
        ARRAY[]::text[],
        'sql/feature/refresh_upcoming_events.sql'
    ),
    (
        'function',
        'refuse_newer_lists',
        ARRAY['timestamptz', 'integer'],
        'sql/scoring/refuse_newer_lists.sql'
    ),
    ('function', 'release_jobs', ARRAY['text'], 'sql/job/release_jobs.sql'),
    (
        'function',
        'request_activation',
        ARRAY['integer', 'jsonb'],
        'sql/serving/request_activation.sql'
    ),
    (
        'function',
        'request_guardrails',
        ARRAY['integer', 'jsonb'],
        'sql/serving/request_guardrails.sql'
    ),
    ('function', 'request_job_retry', ARRAY['integer', 'bigint'], 'sql/desk/request_job_retry.sql'),
    ('function', 'request_training', ARRAY['integer', 'jsonb'], 'sql/serving/request_training.sql'),
    ('function', 'requeue_stale_jobs', ARRAY[]::text[], 'sql/job/requeue_stale_jobs.sql'),
    ('function', 'retry_job', ARRAY['bigint'], 'sql/job/retry_job.sql'),
    ('function', 'run_batches', ARRAY['bigint', 'integer'], 'sql/scoring/run_batches.sql'),
    (
        'function',
        'score_students',
        ARRAY['bigint', 'integer[]', 'boolean'],
        'sql/scoring/score_students.sql'
    ),
    (
        'function',
        'score_user',
        ARRAY['integer', 'integer', 'boolean'],
        'sql/scoring/score_user.sql'
    ),
    (
        'function',
        'set_demo_favorite',
        ARRAY['integer', 'integer', 'boolean'],
        'sql/demo/set_demo_favorite.sql'
    ),
    (
        'function',
        'set_demo_interest',
        ARRAY['integer', 'integer', 'boolean'],
        'sql/demo/set_demo_interest.sql'
    ),
    (
        'function',
        'set_demo_registration',
        ARRAY['integer', 'integer', 'boolean'],
        'sql/demo/set_demo_registration.sql'
    ),
    (
        'function',
        'set_organizer_blocked',
        ARRAY['integer', 'integer', 'boolean'],
        'sql/serving/set_organizer_blocked.sql'
    ),
    ('function', 'set_schedule', ARRAY['text', 'text', 'boolean'], 'sql/schedule/set_schedule.sql'),
    (
        'function',
        'set_tag_hidden',
        ARRAY['integer', 'integer', 'boolean'],
        'sql/serving/set_tag_hidden.sql'
    ),
    ('function', 'setting', ARRAY['text'], 'sql/setting/setting.sql'),
    ('function', 'sigmoid', ARRAY['double precision'], 'sql/scoring/sigmoid.sql'),
    ('function', 'sort_key', ARRAY['double precision'], 'sql/scoring/sort_key.sql'),
    (
        'function',
        'start_run',
        ARRAY['integer', 'timestamptz', 'boolean', 'boolean', 'integer[]', 'boolean'],
        'sql/scoring/start_run.sql'
    ),
    (
        'function',
        'store_judged_model',
        ARRAY['text', 'text[]', 'double precision[]', 'jsonb', 'boolean'],
        'sql/training/store_judged_model.sql'
    ),
    (
        'function',
        'store_model',
        ARRAY['text', 'text[]', 'double precision[]', 'jsonb', 'boolean', 'text'],
        'sql/training/store_model.sql'
    ),
    ('function', 'student', ARRAY['integer'], 'sql/admin/student.sql'),
    ('function', 'templates_for', ARRAY['text'], 'sql/scoring/templates_for.sql'),
    ('function', 'title_letters', ARRAY['text'], 'sql/feature/title_letters.sql'),
    ('function', 'title_words', ARRAY['text'], 'sql/feature/title_words.sql'),
    (
        'function',
        'training_hash',
        ARRAY['bigint', 'integer', 'integer', 'integer', 'integer'],
        'sql/training/training_hash.sql'
    ),
    ('function', 'uninstall_cron', ARRAY[]::text[], 'sql/schedule/uninstall_cron.sql'),
    ('function', 'why_not', ARRAY['integer', 'integer', 'integer'], 'sql/admin/why_not.sql'),
    (
        'index',
        'event_attributes_snapshot_key',
        NULL::text[],
        'sql/feature/event_attributes_snapshot.sql'
    ),
    (
        'index',
        'upcoming_attributes_snapshot_key',
        NULL::text[],
        'sql/feature/upcoming_attributes_snapshot.sql'
    ),
    (
        'index',
        'user_attribute_sources_snapshot_user_idx',
        NULL::text[],
        'sql/feature/user_attribute_sources_snapshot.sql'
    ),
    ('index', 'user_profiles_snapshot_key', NULL::text[], 'sql/feature/user_profiles_snapshot.sql'),
    (
        'materialized view',
        'event_attributes_snapshot',
        NULL::text[],
        'sql/feature/event_attributes_snapshot.sql'
    ),
    (
        'materialized view',
        'upcoming_attributes_snapshot',
        NULL::text[],
        'sql/feature/upcoming_attributes_snapshot.sql'
    ),
    (
        'materialized view',
        'user_attribute_sources_snapshot',
        NULL::text[],
        'sql/feature/user_attribute_sources_snapshot.sql'
    ),
    (
        'materialized view',
        'user_profiles_snapshot',
        NULL::text[],
        'sql/feature/user_profiles_snapshot.sql'
    ),
    ('procedure', '_pass_run', ARRAY['bigint', 'boolean'], 'sql/scoring/_pass_run.sql'),
    (
        'procedure',
        'apply_retention',
        ARRAY['bigint', 'bigint', 'bigint', 'bigint', 'bigint', 'bigint', 'jsonb'],
        'sql/feedback/apply_retention.sql'
    ),
    (
        'procedure',
        'rescore_changed',
        ARRAY['timestamptz', 'integer', 'boolean'],
        'sql/scoring/rescore_changed.sql'
    ),
    (
        'procedure',
        'run_jobs',
        ARRAY['integer', 'text', 'text[]', 'integer', 'double precision'],
        'sql/job/run_jobs.sql'
    ),
    (
        'procedure',
        'run_schedule',
        ARRAY['integer', 'double precision'],
        'sql/schedule/run_schedule.sql'
    ),
    (
        'procedure',
        'score_all',
        ARRAY['integer', 'timestamptz', 'boolean', 'boolean', 'integer[]', 'boolean'],
        'sql/scoring/score_all.sql'
    ),
    ('view', '_event_states', NULL::text[], 'sql/scoring/_event_states.sql'),
    ('view', '_freshness_warnings', NULL::text[], 'sql/schedule/_freshness_warnings.sql'),
    ('view', '_live_hashes', NULL::text[], 'sql/feature/_live_hashes.sql'),
    ('view', '_profile_hashes', NULL::text[], 'sql/feature/_profile_hashes.sql'),
    ('view', '_schedule_entries', NULL::text[], 'sql/schedule/_schedule_entries.sql'),
    ('view', 'active_evidence', NULL::text[], 'sql/guardrail/active_evidence.sql'),
    ('view', 'attendance_attributes', NULL::text[], 'sql/feature/attendance_attributes.sql'),
    (
        'view',
        'attendance_event_attributes',
        NULL::text[],
        'sql/feature/attendance_event_attributes.sql'
    ),
    ('view', 'attendances', NULL::text[], 'sql/feature/attendances.sql'),
    ('view', 'category_affinities', NULL::text[], 'sql/feature/category_affinities.sql'),
    ('view', 'eligible_events', NULL::text[], 'sql/feature/eligible_events.sql'),
    ('view', 'event_attributes', NULL::text[], 'sql/feature/event_attributes.sql'),
    ('view', 'event_base_attributes', NULL::text[], 'sql/feature/event_base_attributes.sql'),
    ('view', 'event_features', NULL::text[], 'sql/feature/event_features.sql'),
    ('view', 'event_numbers', NULL::text[], 'sql/feature/event_numbers.sql'),
    ('view', 'event_seats', NULL::text[], 'sql/feature/event_seats.sql'),
    (
        'view',
        'extended_user_event_features',
        NULL::text[],
        'sql/feature/extended_user_event_features.sql'
    ),
    ('view', 'fresh_lists', NULL::text[], 'sql/serving/fresh_lists.sql'),
    ('view', 'gauges', NULL::text[], 'sql/serving/gauges.sql'),
    ('view', 'guardrail_gauges', NULL::text[], 'sql/guardrail/guardrail_gauges.sql'),
    ('view', 'guardrails', NULL::text[], 'sql/guardrail/guardrails.sql'),
    ('view', 'held_events', NULL::text[], 'sql/feature/held_events.sql'),
    ('view', 'history', NULL::text[], 'sql/feature/history.sql'),
    ('view', 'installed_objects', NULL::text[], 'sql/stamp.sql'),
    ('view', 'job_types', NULL::text[], 'sql/job/job_types.sql'),
    ('view', 'models', NULL::text[], 'sql/admin/models.sql'),
    ('view', 'organizer_affinities', NULL::text[], 'sql/feature/organizer_affinities.sql'),
    ('view', 'organizer_numbers', NULL::text[], 'sql/feature/organizer_numbers.sql'),
    ('view', 'parameters', NULL::text[], 'sql/setting/parameters.sql'),
    ('view', 'queue', NULL::text[], 'sql/admin/queue.sql'),
    ('view', 'ranked_events', NULL::text[], 'sql/serving/ranked_events.sql'),
    ('view', 'reason_templates', NULL::text[], 'sql/scoring/reason_templates.sql'),
    ('view', 'schedule', NULL::text[], 'sql/schedule/schedule.sql'),
    ('view', 'schedule_defaults', NULL::text[], 'sql/schedule/schedule_defaults.sql'),
    ('view', 'series_numbers', NULL::text[], 'sql/feature/series_numbers.sql'),
    ('view', 'setting_defaults', NULL::text[], 'sql/setting/setting_defaults.sql'),
    ('view', 'settings', NULL::text[], 'sql/setting/settings.sql'),
    ('view', 'snapshot_moment', NULL::text[], 'sql/feature/snapshot_moment.sql'),
    ('view', 'source_blocked_organizers', NULL::text[], 'sql/source/source_blocked_organizers.sql'),
    ('view', 'source_contacts', NULL::text[], 'sql/source/source_contacts.sql'),
    ('view', 'source_deleted_events', NULL::text[], 'sql/source/source_deleted_events.sql'),
    ('view', 'source_event_tags', NULL::text[], 'sql/source/source_event_tags.sql'),
    ('view', 'source_events', NULL::text[], 'sql/source/source_events.sql'),
    ('view', 'source_favorites', NULL::text[], 'sql/source/source_favorites.sql'),
    ('view', 'source_hidden_tags', NULL::text[], 'sql/source/source_hidden_tags.sql'),
    (
        'view',
        'source_implicit_categories',
        NULL::text[],
        'sql/source/source_implicit_categories.sql'
    ),
    ('view', 'source_implicit_cities', NULL::text[], 'sql/source/source_implicit_cities.sql'),
    ('view', 'source_implicit_tags', NULL::text[], 'sql/source/source_implicit_tags.sql'),
    ('view', 'source_intents', NULL::text[], 'sql/source/source_intents.sql'),
    ('view', 'source_interactions', NULL::text[], 'sql/source/source_interactions.sql'),
    ('view', 'source_interest_tags', NULL::text[], 'sql/source/source_interest_tags.sql'),
    ('view', 'source_registrations', NULL::text[], 'sql/source/source_registrations.sql'),
    ('view', 'source_students', NULL::text[], 'sql/source/source_students.sql'),
    ('view', 'source_tag_links', NULL::text[], 'sql/source/source_tag_links.sql'),
    ('view', 'source_tags', NULL::text[], 'sql/source/source_tags.sql'),
    ('view', 'source_users', NULL::text[], 'sql/source/source_users.sql'),
    ('view', 'status', NULL::text[], 'sql/admin/status.sql'),
    ('view', 'training_impressions', NULL::text[], 'sql/training/training_impressions.sql'),
    ('view', 'training_labels', NULL::text[], 'sql/training/training_labels.sql'),
    ('view', 'training_signals', NULL::text[], 'sql/training/training_signals.sql'),
    ('view', 'upcoming_attributes', NULL::text[], 'sql/feature/upcoming_attributes.sql'),
    ('view', 'user_attribute_sources', NULL::text[], 'sql/feature/user_attribute_sources.sql'),
    ('view', 'user_attributes', NULL::text[], 'sql/feature/user_attributes.sql'),
    ('view', 'user_attributes_snapshot', NULL::text[], 'sql/feature/user_attributes_snapshot.sql'),
    ('view', 'user_event_features', NULL::text[], 'sql/feature/user_event_features.sql'),
    ('view', 'user_home_cities', NULL::text[], 'sql/feature/user_home_cities.sql'),
    ('view', 'user_numbers', NULL::text[], 'sql/feature/user_numbers.sql'),
    ('view', 'user_text_sources', NULL::text[], 'sql/feature/user_text_sources.sql'),
    ('view', 'word_rarities', NULL::text[], 'sql/feature/word_rarities.sql')
) AS o (kind, name, arguments, file);

COMMENT ON VIEW recommender.installed_objects IS
'One row is one object that a file of sql/ defines. What is not listed here is never dropped.';

COMMENT ON MATERIALIZED VIEW recommender.event_attributes_snapshot IS
'event_attributes as of recommender.snapshot_moment; refreshed by recommender.refresh_features().
Definition sha256:64946383a8931a8742670298074461b129620ae87c9b435d046f083ef5537587';

COMMENT ON MATERIALIZED VIEW recommender.user_attribute_sources_snapshot IS
'user_attribute_sources without repeats, as of recommender.snapshot_moment; refreshed by recommender.refresh_features().
Definition sha256:3149bf12113a57a4bb4f24a0f4c57191d9642dc8d6e91fedc8d27e0d778da16a';

COMMENT ON MATERIALIZED VIEW recommender.upcoming_attributes_snapshot IS
'event_attributes of the events that were published, known and not started at the moment upcoming_as_of of recommender.snapshot_moment, value included, and for each of them feature popularity with an empty attribute and the popularity as value; refreshed by recommender.refresh_upcoming_events().
Definition sha256:2e705b27143e9a1504f7d2f41123aa302359bb16dbe400cfb99975349e04baee';

COMMENT ON MATERIALIZED VIEW recommender.user_profiles_snapshot IS
'One row is one user with attributes, registrations or the role of a student. fingerprint: a hash of attributes, registrations and language, equal as long as none changes; twin_fingerprint: of the attributes alone; likeness: the same of what upcoming events have, equal for students whose lists are equal. As of recommender.snapshot_moment; refreshed by recommender.refresh_features().
Definition sha256:2b0a40af64165650a14d48b1b5d90541126edd67cdfe5a2ed0f3d34f6baab465';

COMMENT ON SCHEMA recommender IS
'Views and functions of eventrank, all made by the files of sql/; their sha256 is
6c2ab49acf19c09bc1e956bd36bbae4eea7937121ac085ca1b2b90ff66cc7f2f';
