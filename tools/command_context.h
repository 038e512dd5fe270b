// What every command gets to work with, and the two things that all of them do: report an error in
// the one form that the contract fixes, and open the store.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_ops.h"
#include "base/result.h"
#include "cas/ref_store.h"
#include "cas/store.h"
#include "manifest/ref_record.h"
#include "pull/read_rights.h"
#include "tools/arguments.h"
#include "tools/output.h"
#include "tools/program_log.h"
#include "tools/settings.h"

namespace castool::tools {

struct CommandContext {
  const GlobalArguments& arguments;
  const Settings& settings;
  const Variables& variables;
  Output& out;
  ProgramLog& log;
  base::Clock& clock;
  base::FileOps& files;
};

// "castool: where: what (hint)" on standard error, with --json the error object on standard output;
// returns the exit status.
int report_error(Output& out, bool json, std::string_view where, const base::Error& error);
int report_error(CommandContext& context, std::string_view where, const base::Error& error);
// The exit status of a whole command, reporting its error if it has one.
int finish(CommandContext& context, std::string_view where, const base::Status& status);

[[nodiscard]] base::Result<std::unique_ptr<cas::Store>> open_store(CommandContext& context,
                                                                   cas::Access access);
// For commands that only look: null when there is no store yet, which is the same as an empty one.
[[nodiscard]] base::Result<std::unique_ptr<cas::Store>> open_store_if_any(CommandContext& context);

// The records of a namespace in name order. One that cannot be read is left out with a warning, so
// that it does not hide the others.
[[nodiscard]] base::Result<std::vector<manifest::RefRecord>> read_records(const cas::RefStore& refs,
                                                                          base::Log& log);

// Of a record that does not say "complete": how much of its model is here by now. Unreadable ones
// keep what they say.
enum class Count { kAll, kStoredOnly };
void look_again(const cas::Store& store, pull::ReadRights& rights, manifest::RefRecord& record,
                Count count);

// `path` as an absolute one, links followed; a path whose last part cannot be looked at (a mount
// whose daemon died) is made absolute as it is written.
[[nodiscard]] std::string absolute_path(const std::string& path);

// Raises the soft limit of open files to the hard one: connections, partials and open model files
// add up.
void raise_file_limit();

}  // namespace castool::tools
