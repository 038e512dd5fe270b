#include <fmt/format.h>

#include "manifest/source.h"
#include "tools/commands.h"
#include "tools/exit_status.h"
#include "tools/named_refs.h"

namespace castool::tools {
namespace {

using base::Result;

// What `pull` is told so that it does again what made this ref.
PullArguments again(const manifest::RefRecord& record) {
  PullArguments pull;
  pull.sources = {record.source};
  const auto source = manifest::parse_source(record.source);
  if (source && manifest::ref_name(*source) != record.name) pull.name = record.name;
  pull.include = record.include;
  pull.exclude = record.exclude;
  pull.lazy = record.state != manifest::RefState::kComplete;
  pull.insecure = record.origin.starts_with("http://");
  pull.asked = record.on_demand ? pull::Asked::kOnDemand : pull::Asked::kByName;
  // What decided which files there are: conversion, or the parts of one GGUF.
  for (const char* name :
       {"weight-format", "extra_quantization_params", "model_type", "vocoder", "gguf_filename"}) {
    const auto option = record.options.find(name);
    if (option != record.options.end()) pull.ovms.values[name] = option->second;
  }
  if (record.options.contains("allow-remote-code")) pull.ovms.flags.insert("allow-remote-code");
  if (!pull.ovms.values.empty() && !record.task.empty()) pull.ovms.values["task"] = record.task;
  return pull;
}

Result<std::vector<manifest::RefRecord>> records_of(const UpdateArguments& arguments,
                                                    const cas::RefStore& refs,
                                                    CommandContext& context) {
  std::vector<manifest::RefRecord> records;
  if (arguments.names.empty()) {
    CASTOOL_ASSIGN(records, read_records(refs, context.log));
    // What was imported came from no origin.
    std::erase_if(records, [](const auto& record) { return record.source.empty(); });
    return records;
  }
  for (const std::string& text : arguments.names) {
    auto found = find_ref(refs, text);
    if (!found) return std::move(found).error().in(text);
    if (found->record.source.empty()) {
      return base::make_error(base::Code::kUsage, "it was imported and has no origin",
                              "import it again");
    }
    records.push_back(std::move(found->record));
  }
  return records;
}

std::string what_changed(const manifest::RefRecord& was, const manifest::RefRecord& is) {
  const auto brief = [](const std::string& revision) {
    constexpr std::size_t kCommit = 40;
    return printable(revision.size() == kCommit ? revision.substr(0, 8) : revision);
  };
  if (was.manifest == is.manifest) return "up to date";
  if (was.revision != is.revision) return brief(was.revision) + " -> " + brief(is.revision);
  const auto head = [](const base::Digest& digest) { return digest.hex().substr(0, 12); };
  return head(was.manifest) + " -> " + head(is.manifest);
}

int update_one(const manifest::RefRecord& was, const cas::RefStore& refs, bool dry_run,
               CommandContext& context) {
  if (dry_run) {
    PullArguments pull = again(was);
    pull.dry_run = pull.tell_changes = true;
    return run_pull(pull, context);
  }
  Settings settings = context.settings;
  if (!settings.json) settings.quiet = true;  // one line a ref, which says what changed
  CommandContext quiet = {context.arguments, settings,      context.variables, context.out,
                          context.log,       context.clock, context.files};
  const int status = run_pull(again(was), quiet);
  if (status != kExitSuccess || context.settings.json || context.settings.quiet) return status;
  const auto is = find_ref(refs, was.name);
  if (is) context.out.line(printable(was.name) + ": " + what_changed(was, is->record));
  return status;
}

}  // namespace

int run_update(const UpdateArguments& arguments, CommandContext& context) {
  auto store = open_store_if_any(context);
  if (!store) return report_error(context, "update", store.error());
  if (*store == nullptr) {
    if (arguments.names.empty()) return kExitSuccess;
    return report_error(context, "update " + arguments.names.front(),
                        base::make_error(base::Code::kNotFound, "no model of that name is here",
                                         "castool ls lists them"));
  }
  const auto refs = cas::RefStore::open(**store, context.settings.ns);
  if (!refs) return report_error(context, "update", refs.error());
  const auto records = records_of(arguments, *refs, context);
  if (!records) return report_error(context, "update", records.error());
  int status = kExitSuccess;
  for (const manifest::RefRecord& record : *records) {
    const int failure = update_one(record, *refs, arguments.dry_run, context);
    status = status == kExitSuccess ? failure : status;
    if (failure == exit_status(base::Code::kCancelled)) break;
  }
  return status;
}

}  // namespace castool::tools
