#!/usr/bin/env escript
%% A foreign SSH server and client for the tests, over Erlang's ssh. Settings come as words: key value key value ...
-mode(compile).

main(["server" | Words]) -> serve(settings(Words));
main(["client" | Words]) ->
    Code = try client(settings(Words))
           catch Class:Reason:Stack ->
               io:format(standard_error, "~p: ~p ~p~n", [Class, Reason, Stack]),
               254
           end,
    halt(Code).

settings([Key, Value | Rest]) -> [{list_to_atom(Key), Value} | settings(Rest)];
settings([]) -> [].

%% Its reports would be mixed with what commands print.
start() ->
    ok = logger:set_primary_config(level, none),
    {ok, _} = application:ensure_all_started(ssh).

get_setting(Key, Settings) -> proplists:get_value(Key, Settings).

%% The keys are copied to a folder of the test's, under the names that Erlang looks for.
serve(Settings) ->
    start(),
    Folder = get_setting(folder, Settings),
    [copy_key(Path, Folder) || Path <- string:split(get_setting(hostKeys, Settings), "\n", all)],
    {ok, Daemon} = ssh:daemon({127, 0, 0, 1}, 0, [
        {system_dir, Folder},
        {user_dir, Folder},
        {auth_methods, "publickey"},
        {exec, {direct, fun execute_here/1}},
        {subsystems, [ssh_sftpd:subsystem_spec([{root, "/"}, {cwd, "/"}])]}
    ]),
    {ok, Info} = ssh:daemon_info(Daemon),
    io:format("listening ~p~n", [proplists:get_value(port, Info)]),
    receive never -> ok end.

copy_key(Path, Folder) ->
    Name = lists:last(string:split(filename:basename(Path), "_", all)),
    Kind = case Name of "ed25519" -> "ed25519"; "rsa" -> "rsa"; _ -> "ecdsa" end,
    {ok, _} = file:copy(Path, filename:join(Folder, "ssh_host_" ++ Kind ++ "_key")).

execute_here(Command) ->
    Port = open_port({spawn_executable, "/bin/sh"},
                     [{args, ["-c", Command]}, binary, exit_status, use_stdio, hide]),
    output(Port, <<>>).

output(Port, Sofar) ->
    receive
        {Port, {data, Data}} -> output(Port, <<Sofar/binary, Data/binary>>);
        {Port, {exit_status, 0}} -> {ok, unicode:characters_to_list(Sofar)};
        {Port, {exit_status, Code}} -> {error, Code}
    end.

client(Settings) ->
    start(),
    Folder = get_setting(folder, Settings),
    {ok, _} = file:copy(get_setting(identity, Settings), filename:join(Folder, "id_ed25519")),
    {ok, Conn} = ssh:connect(get_setting(hostname, Settings), list_to_integer(get_setting(port, Settings)), [
        {user, get_setting(user, Settings)},
        {user_dir, Folder},
        {silently_accept_hosts, true},
        {save_accepted_host, false},
        {user_interaction, false},
        {auth_methods, "publickey"}
    ], 20000),
    {algorithms, Algorithms} = ssh:connection_info(Conn, algorithms),
    io:format(standard_error, "agreed ~0p~n", [Algorithms]),
    Arguments = string:split(get_setting(args, Settings), "\n", all),
    Code = act(get_setting(action, Settings), Conn, Arguments),
    ssh:close(Conn),
    Code.

act("exec", Conn, [Command]) ->
    ok = io:setopts(standard_io, [binary, {encoding, latin1}]),
    {ok, Channel} = ssh_connection:session_channel(Conn, 20000),
    success = ssh_connection:exec(Conn, Channel, Command, 20000),
    Input = read_all([]),
    spawn_link(fun() ->
        ok = ssh_connection:send(Conn, Channel, Input, infinity),
        ssh_connection:send_eof(Conn, Channel)
    end),
    copy(Conn, Channel, 255);
act("put", Conn, [Local, Remote]) ->
    {ok, Sftp} = ssh_sftp:start_channel(Conn),
    {ok, Data} = file:read_file(Local),
    ok = ssh_sftp:write_file(Sftp, Remote, Data),
    0;
act("get", Conn, [Remote, Local]) ->
    {ok, Sftp} = ssh_sftp:start_channel(Conn),
    {ok, Data} = ssh_sftp:read_file(Sftp, Remote),
    ok = file:write_file(Local, Data),
    0;
act("list", Conn, [Path]) ->
    {ok, Sftp} = ssh_sftp:start_channel(Conn),
    {ok, Names} = ssh_sftp:list_dir(Sftp, Path),
    [io:format("~ts~n", [Name]) || Name <- lists:sort(Names)],
    0.

read_all(Sofar) ->
    case file:read(standard_io, 65536) of
        {ok, Data} -> read_all([Sofar, Data]);
        eof -> iolist_to_binary(Sofar)
    end.

copy(Conn, Channel, Code) ->
    receive
        {ssh_cm, Conn, {data, Channel, Kind, Data}} ->
            Sink = case Kind of 0 -> standard_io; 1 -> standard_error end,
            ok = file:write(Sink, Data),
            ssh_connection:adjust_window(Conn, Channel, byte_size(Data)),
            copy(Conn, Channel, Code);
        {ssh_cm, Conn, {exit_status, Channel, Status}} -> copy(Conn, Channel, Status);
        {ssh_cm, Conn, {closed, Channel}} -> Code;
        {ssh_cm, Conn, _} -> copy(Conn, Channel, Code)
    end.
