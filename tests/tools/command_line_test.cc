#include "tools/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace castool::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using Words = std::vector<std::string>;

Invocation parse(const Words& words) {
  auto parsed = parse_command_line(words);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().text());
  if (!parsed || !std::holds_alternative<Invocation>(*parsed)) return {};
  return std::get<Invocation>(*parsed);
}

template <class Arguments>
Arguments parse_as(const Words& words) {
  const Invocation invocation = parse(words);
  EXPECT_TRUE(std::holds_alternative<Arguments>(invocation.arguments));
  const auto* arguments = std::get_if<Arguments>(&invocation.arguments);
  return arguments == nullptr ? Arguments{} : *arguments;
}

std::string refusal(const Words& words) {
  const auto parsed = parse_command_line(words);
  if (parsed) return "accepted";
  EXPECT_EQ(parsed.error().code, base::Code::kUsage);
  const std::string text = parsed.error().text();
  EXPECT_THAT(text, Not(HasSubstr("\n")));
  return text;
}

std::string text_of(const Words& words) {
  const auto parsed = parse_command_line(words);
  return parsed && std::holds_alternative<Text>(*parsed) ? std::get<Text>(*parsed).text : "";
}

TEST(CommandLine, PullHasItsOptions) {
  const auto pull = parse_as<PullArguments>(
      {"pull",      "--include",     "*.json",     "--include=*.bin", "org/model",
       "--exclude", "x/*",           "--name",     "my/name",         "--revision",
       "refs/pr/1", "--connections", "4",          "--limit-rate",    "2M",
       "--force",   "--dry-run",     "--insecure", "--from",          "hf"});
  EXPECT_THAT(pull.sources, ElementsAre("org/model"));
  EXPECT_THAT(pull.include, ElementsAre("*.json", "*.bin"));
  EXPECT_THAT(pull.exclude, ElementsAre("x/*"));
  EXPECT_EQ(pull.name, "my/name");
  EXPECT_EQ(pull.revision, "refs/pr/1");
  EXPECT_EQ(pull.connections, 4);
  EXPECT_EQ(pull.bytes_per_second, 2u << 20);
  EXPECT_TRUE(pull.force);
  EXPECT_TRUE(pull.dry_run);
  EXPECT_TRUE(pull.insecure);
  EXPECT_EQ(pull.from, manifest::SourceKind::kHub);
}

TEST(CommandLine, PullHasDefaultsAndTakesSeveralSources) {
  const auto pull = parse_as<PullArguments>({"pull", "a/b", "llama3.2:3b", "ls", "pull"});
  EXPECT_THAT(pull.sources, ElementsAre("a/b", "llama3.2:3b", "ls", "pull"));
  EXPECT_EQ(pull.connections, 16);
  EXPECT_EQ(pull.bytes_per_second, 0u);
  EXPECT_FALSE(pull.name);
  EXPECT_FALSE(pull.from);
  EXPECT_FALSE(pull.force || pull.dry_run || pull.insecure);
}

TEST(CommandLine, WordsAfterTwoDashesAreNoOptions) {
  EXPECT_THAT(parse_as<PullArguments>({"pull", "--", "--odd"}).sources, ElementsAre("--odd"));
}

TEST(CommandLine, GlobalOptionsStandBeforeOrAfterTheCommand) {
  for (const Words& words :
       {Words{"--store", "/s", "--namespace", "n", "--json", "-q", "-vv", "--no-progress",
              "--token-file", "/t", "--timeout", "30s", "ls", "--all-namespaces"},
        Words{"ls", "--all-namespaces", "--store=/s", "--namespace=n", "--json", "--quiet", "-v",
              "-v", "--no-progress", "--token-file=/t", "--timeout=30s"}}) {
    const Invocation invocation = parse(words);
    EXPECT_EQ(invocation.command, "ls");
    EXPECT_EQ(invocation.global.store, "/s");
    EXPECT_EQ(invocation.global.ns, "n");
    EXPECT_EQ(invocation.global.token_file, "/t");
    EXPECT_EQ(invocation.global.timeout, std::chrono::seconds(30));
    EXPECT_EQ(invocation.global.verbose, 2);
    EXPECT_TRUE(invocation.global.json && invocation.global.quiet && invocation.global.no_progress);
    EXPECT_TRUE(std::get<LsArguments>(invocation.arguments).all_namespaces);
  }
  const Invocation plain = parse({"df"});
  EXPECT_FALSE(plain.global.store || plain.global.ns || plain.global.token_file ||
               plain.global.timeout || plain.global.json || plain.global.quiet);
  EXPECT_EQ(plain.global.verbose, 0);
}

TEST(CommandLine, MountHasItsOptions) {
  const auto mount = parse_as<MountArguments>(
      {"mount", "-f", "--layout", "ollama", "-o", "uid=5,allow_other", "/m", "-o", "gid=6"});
  EXPECT_EQ(mount.directory, "/m");
  EXPECT_EQ(mount.layout, fusefs::Layout::kOllama);
  EXPECT_TRUE(mount.foreground && mount.allow_other);
  EXPECT_EQ(mount.uid, 5u);
  EXPECT_EQ(mount.gid, 6u);
  const auto plain = parse_as<MountArguments>({"mount", "/m"});
  EXPECT_EQ(plain.layout, fusefs::Layout::kOvms);
  EXPECT_FALSE(plain.foreground || plain.allow_other || plain.uid || plain.gid);
}

TEST(CommandLine, OtherCommandsHaveTheirArguments) {
  EXPECT_EQ(parse_as<UmountArguments>({"umount", "/m"}).directory, "/m");
  EXPECT_TRUE(parse_as<UmountArguments>({"umount", "--lazy", "/m"}).lazy);
  EXPECT_THAT(parse_as<ShowArguments>({"show", "a/b", "c:d"}).names, ElementsAre("a/b", "c:d"));
  EXPECT_THAT(parse_as<RmArguments>({"rm", "a/b", "c:d"}).names, ElementsAre("a/b", "c:d"));
  parse_as<StatusArguments>({"status"});
}

TEST(CommandLine, ParsesWhereToServe) {
  const auto plain = parse_as<ServeArguments>({"serve"});
  ASSERT_TRUE(plain.listen.address);
  EXPECT_EQ(plain.listen.address->text(), "127.0.0.1:11435");
  EXPECT_FALSE(plain.listen.socket_path);
  EXPECT_FALSE(plain.registry);
  const auto socket = parse_as<ServeArguments>({"serve", "--socket-listen", "/s", "--socket-mode",
                                                "0660", "--socket-group", "7", "--registry",
                                                "--allow-registry", "own:5000"});
  EXPECT_FALSE(socket.listen.address);  // none unless it is asked for
  EXPECT_EQ(socket.listen.socket_access.mode, 0660U);
  EXPECT_EQ(socket.listen.socket_access.group, gid_t{7});
  EXPECT_TRUE(socket.registry);
  EXPECT_THAT(socket.listen.allowed_registries, testing::ElementsAre("own:5000"));
  EXPECT_FALSE(parse_as<MountArguments>({"mount", "/m"}).listen.wanted());
  EXPECT_TRUE(parse_as<MountArguments>({"mount", "/m", "--listen", "[::1]:0"}).listen.wanted());
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"serve", "--listen", "host:1"},
        {"serve", "--socket-mode", "660"},
        {"serve", "--socket-listen", "/s", "--socket-mode", "888"},
        {"serve", "--socket-listen", "/s", "--socket-mode", "7777"},
        {"serve", "--socket-listen", "/s", "--socket-group", "no-such-group"},
        {"serve", "--allow-registry", "http://x"},
        {"mount", "/m", "--listen", "1.2.3.4"}}) {
    EXPECT_FALSE(refusal(words).empty()) << words.back();
  }
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(refusal({}),
              HasSubstr("a command is missing (the commands are pull, mount, serve, umount, "
                        "ls, show, rm, "));
  EXPECT_THAT(refusal({"frob"}), HasSubstr("unknown command frob (the commands are pull,"));
  EXPECT_THAT(refusal({"--json", "frob", "x"}), HasSubstr("unknown command frob"));
  EXPECT_EQ(refusal({"pull", "--frob", "a/b"}),
            "pull: unknown option --frob (see castool pull --help)");
  EXPECT_EQ(refusal({"--frob", "ls"}), "ls: unknown option --frob (see castool ls --help)");
  EXPECT_EQ(refusal({"ls", "extra"}), "ls: unexpected argument extra (see castool ls --help)");
  EXPECT_EQ(refusal({"pull"}), "pull: SOURCE is required (see castool pull --help)");
  // Commands and options of later versions are as unknown as any other.
  EXPECT_THAT(refusal({"pull", "--weightformat", "a/b"}),
              HasSubstr("unknown option --weightformat"));
  EXPECT_THAT(refusal({"prune"}), HasSubstr("unknown command prune"));
}

TEST(CommandLine, RefusesValuesThatCannotBeMeant) {
  EXPECT_THAT(refusal({"pull", "a/b", "--connections", "0"}), HasSubstr("--connections"));
  EXPECT_THAT(refusal({"pull", "a/b", "--connections", "x"}), HasSubstr("--connections"));
  EXPECT_THAT(refusal({"pull", "a/b", "--limit-rate", "fast"}),
              HasSubstr("pull: --limit-rate: \"fast\" is not a rate"));
  EXPECT_THAT(refusal({"pull", "a/b", "--from", "disk"}), HasSubstr("--from"));
  EXPECT_THAT(refusal({"pull", "a/b", "c/d", "--name", "x"}), HasSubstr("--name"));
  EXPECT_THAT(refusal({"ls", "--timeout", "0"}), HasSubstr("--timeout"));
  EXPECT_THAT(refusal({"mount", "/m", "--layout", "ext4"}), HasSubstr("--layout"));
  EXPECT_THAT(refusal({"mount", "/m", "-o", "suid"}), HasSubstr("mount: -o suid"));
  EXPECT_THAT(refusal({"mount"}), HasSubstr("DIR"));
  EXPECT_THAT(refusal({"mount", "/a", "/b"}), HasSubstr("unexpected argument /b"));
}

TEST(CommandLine, NeverRepeatsTheValueOfAnUnknownOption) {
  EXPECT_THAT(refusal({"pull", "a/b", "--token=hf_secret"}), Not(HasSubstr("hf_secret")));
  EXPECT_THAT(refusal({"pull", "--token", "hf_secret"}), Not(HasSubstr("hf_secret")));
}

TEST(CommandLine, ExplainsItself) {
  const std::string help = text_of({"--help"});
  for (const char* word : {"pull", "mount", "umount", "ls", "show", "rm", "df", "status", "--store",
                           "--namespace", "--json", "--token-file", "--timeout", "Exit status:",
                           "64  wrong usage", "130  interrupted", "HF_TOKEN", "Examples:"}) {
    EXPECT_THAT(help, HasSubstr(word));
  }
  EXPECT_EQ(text_of({"--version"}), "castool 0.1.0\n");
  EXPECT_EQ(text_of({"pull", "--version"}), "castool 0.1.0\n");
  EXPECT_EQ(text_of({"-h"}), help);
}

TEST(CommandLine, ExplainsEachCommandWithExamples) {
  for (const std::string command :
       {"pull", "mount", "umount", "ls", "show", "rm", "update", "cp", "pin", "unpin", "gc",
        "import", "quota", "fsck", "df", "status"}) {
    const std::string help = text_of({command, "--help"});
    EXPECT_THAT(help, HasSubstr("Usage: castool " + command + " ["));
    EXPECT_THAT(help, HasSubstr("Examples:\n  castool ")) << command;
    EXPECT_THAT(help, HasSubstr("castool --help")) << command;
  }
}

TEST(CommandLine, HelpFitsATerminal) {
  for (const Words& words : {Words{"--help"}, Words{"pull", "--help"}, Words{"mount", "--help"}}) {
    const std::string help = text_of(words);
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = help.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      EXPECT_LE(end - begin, 100u) << help.substr(begin, end - begin);
    }
  }
}

}  // namespace
}  // namespace castool::tools
